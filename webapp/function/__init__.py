from webapp.function.views import blueprint

__all__ = ["blueprint"]
