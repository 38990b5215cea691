from webapp.system_map.views import blueprint

__all__ = ["blueprint"]
