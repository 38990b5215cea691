from webapp.transactions.views import blueprint

__all__ = ["blueprint"]
