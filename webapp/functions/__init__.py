from webapp.functions.views import blueprint

__all__ = ["blueprint"]
