from webapp.sign_in.views import blueprint, init_app

__all__ = ["blueprint", "init_app"]
