from webapp.transaction.views import blueprint

__all__ = ["blueprint"]
