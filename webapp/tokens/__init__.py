from webapp.tokens.views import blueprint

__all__ = ["blueprint"]
