"""Events as the services send them, shortened to what tells them apart and what the tracer reads."""

from tests.tracer.events.messages import *  # noqa: F403
from tests.tracer.events.names import *  # noqa: F403
from tests.tracer.events.requests import *  # noqa: F403
from tests.tracer.events.services import *  # noqa: F403
