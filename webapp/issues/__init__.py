from webapp.issues.views import blueprint

__all__ = ["blueprint"]
