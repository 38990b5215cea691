"""What kinds of channels there are, what each needs to know, and how it may be used.

Everything but the sending, which is in a module for each kind that is imported when something is to be sent: services'
libraries and the encryption take 13 MB.
"""

from __future__ import annotations

from dataclasses import dataclass

SLACK_API = "https://slack.com/api/"
PAGERDUTY_API = "https://events.pagerduty.com"
OPSGENIE_API = "https://api.opsgenie.com"
JSM_API = "https://api.atlassian.com/jsm/ops/integration"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a channel needs to know. A secret one is encrypted where it is kept, and never shown again."""

    name: str
    label: str
    help: str = ""
    secret: bool = False
    required: bool = False
    url: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()
    example: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """`bundles`: many alerts at once are told in one message. `pace_ms`: between two messages to the channel.
    `acknowledges`: is told when an alert is acknowledged. `always_resolves`: a resolve closes what the service holds
    open, and so is always sent."""

    name: str
    title: str
    about: str
    fields: tuple[Field, ...]
    module: str
    bundles: bool = True
    pace_ms: int = 0
    acknowledges: bool = False
    always_resolves: bool = False


_OPSGENIE_KEY = Field(
    "key", "API key", "Of an API integration that may create and close alerts.", secret=True, required=True
)
_TAGS = Field("tags", "Tags", "Separated by commas; put on every alert.", example="clew,serverless")

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "slack",
            "Slack",
            "A message in a channel: by an incoming webhook, or by a bot, whose later messages go into the thread.",
            (
                Field(
                    "webhook_url",
                    "Incoming webhook",
                    "Its address, instead of a bot's token and channel.",
                    secret=True,
                    url=True,
                    example="https://hooks.slack.com/services/T…/B…/…",
                ),
                Field("token", "Bot token", "With the scope chat:write.", secret=True, example="xoxb-…"),
                Field("channel", "Slack channel", "For the bot: its id, or #name.", example="C0123456789"),
                Field("api_url", "Slack's address", "For GovSlack.", url=True, default=SLACK_API),
            ),
            "collector.alerts.channels.slack",
            pace_ms=1_100,
            acknowledges=True,
        ),
        Kind(
            "pagerduty",
            "PagerDuty",
            "An incident that opens, is acknowledged and resolves with the alert.",
            (
                Field(
                    "routing_key",
                    "Integration key",
                    "Of an Events API v2 integration: 32 characters.",
                    secret=True,
                    required=True,
                ),
                Field(
                    "api_url",
                    "PagerDuty's address",
                    "In the EU: https://events.eu.pagerduty.com",
                    url=True,
                    default=PAGERDUTY_API,
                ),
            ),
            "collector.alerts.channels.pagerduty",
            bundles=False,
            pace_ms=500,
            acknowledges=True,
            always_resolves=True,
        ),
        Kind(
            "opsgenie",
            "Opsgenie",
            "An alert that closes by itself. Opsgenie ends on 5 April 2027: better take Jira Service Management.",
            (
                _OPSGENIE_KEY,
                Field(
                    "api_url",
                    "Opsgenie's address",
                    "In the EU: https://api.eu.opsgenie.com",
                    url=True,
                    default=OPSGENIE_API,
                ),
                _TAGS,
            ),
            "collector.alerts.channels.opsgenie",
            bundles=False,
            pace_ms=200,
            acknowledges=True,
            always_resolves=True,
        ),
        Kind(
            "jsm",
            "Jira Service Management",
            "An alert of its Operations that closes by itself.",
            (_OPSGENIE_KEY, Field("api_url", "Atlassian's address", url=True, default=JSM_API), _TAGS),
            "collector.alerts.channels.opsgenie",
            bundles=False,
            pace_ms=200,
            acknowledges=True,
            always_resolves=True,
        ),
        Kind(
            "jira",
            "Jira",
            "A ticket for each issue or alert; while it is open, what follows becomes its comments.",
            (
                Field(
                    "site",
                    "Site",
                    "Of Jira Cloud or Data Center.",
                    required=True,
                    url=True,
                    example="https://example.atlassian.net",
                ),
                Field("email", "E-mail", "Of the token's account, in Jira Cloud. Empty for Data Center."),
                Field("token", "API token", "In Data Center a personal access token.", secret=True, required=True),
                Field("project", "Project key", required=True, example="OPS"),
                Field("issue_type", "Issue type", default="Bug"),
                Field("labels", "Labels", "Separated by commas.", example="clew"),
            ),
            "collector.alerts.channels.jira",
            bundles=False,
            pace_ms=500,
            acknowledges=True,
        ),
        Kind(
            "teams",
            "Microsoft Teams",
            "A card in a channel or chat, by a workflow that starts with a webhook request.",
            (
                Field(
                    "webhook_url",
                    "Workflow's address",
                    "The HTTP POST URL of the workflow's trigger.",
                    secret=True,
                    required=True,
                    url=True,
                ),
            ),
            "collector.alerts.channels.teams",
            pace_ms=1_000,
        ),
        Kind(
            "email",
            "E-mail",
            "A message by SMTP.",
            (
                Field("to", "To", "Addresses, separated by commas.", required=True, example="on-call@example.com"),
                Field("from", "From", required=True, example="clew@example.com"),
                Field("host", "SMTP server", required=True, example="smtp.example.com"),
                Field("port", "Port", default="587"),
                Field("security", "Security", choices=("starttls", "tls", "none"), default="starttls"),
                Field("username", "User name", "Empty: none is asked for."),
                Field("password", "Password", secret=True),
            ),
            "collector.alerts.channels.mail",
            pace_ms=1_000,
        ),
        Kind(
            "webhook",
            "Webhook",
            "JSON, signed, to an address of yours. docs/channels.md has its schema.",
            (
                Field("url", "Address", secret=True, required=True, url=True, example="https://example.com/alerts"),
                Field(
                    "secret",
                    "Signing secret",
                    "At least 16 characters; what is sent is signed with it.",
                    secret=True,
                    required=True,
                ),
            ),
            "collector.alerts.channels.webhook",
            acknowledges=True,
        ),
        Kind(
            "apprise",
            "Apprise",
            "Everything else that Apprise knows: Discord, Telegram, ntfy, Matrix, Signal, SMS and a hundred more.",
            (
                Field(
                    "url",
                    "Apprise URL",
                    "As Apprise's documentation has it for the service.",
                    secret=True,
                    required=True,
                    example="discord://…",
                ),
            ),
            "collector.alerts.channels.apprise",
            pace_ms=1_000,
        ),
    )
}
