"""The command `clew`. What each command does is in its own help; docs/cli.md shows them all."""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version as version_of
from typing import Any

import click

from collector.app.alert_commands import alerts
from collector.app.channel_commands import channels
from collector.app.command import CANNOT, database_option, settings_of, told
from collector.app.database_commands import db
from collector.app.issue_commands import issues
from collector.app.logs import log_to_stderr
from collector.app.price_commands import prices
from collector.app.token_commands import tokens

LOOK_EVERY_S = 1.0  # whether a signal has come


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Clew: see what your serverless functions do, from a server that you run yourself.

    Settings come from environment variables that begin with CLEW_; docs/settings.md lists them.
    """


main.add_command(alerts)
main.add_command(db)
main.add_command(tokens)
main.add_command(issues)
main.add_command(channels)
main.add_command(prices)


@main.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on, 0.0.0.0 for all; otherwise CLEW_HOST.")
@click.option("--port", metavar="PORT", help="Port to listen on, 0 for any free one; otherwise CLEW_PORT, or 4318.")
@database_option
def up(host: str | None, port: str | None, database_url: str | None) -> None:
    """Receive OTLP and show the dashboard, until Ctrl-C.

    Brings the database up to date first, making it if there is none. On Ctrl-C (or SIGTERM) requests that have begun
    are finished and stored.
    """
    with told():
        settings = settings_of(host=host, port=port, database_url=database_url)
        log = log_to_stderr(settings)
        # The server's packages take a second to import, which the other commands need not wait for.
        from collector.app.memory import look_for_garbage_rarely  # noqa: PLC0415
        from collector.app.process import running, stop_signals  # noqa: PLC0415

        stopped = stop_signals()
        with running(settings) as process:
            look_for_garbage_rarely()
            grpc = f", for OTLP/gRPC on port {process.grpc_port}," if process.grpc_port is not None else ""
            click.echo(f"Clew {_version()} listens on {process.url}{grpc} and stores in {process.database}")
            if process.first_token is not None:
                click.echo(f"Sign in with this dashboard token, which is shown this once: {process.first_token}")
            # Not for ever: a signal that comes between Python's last look and the wait itself wakes nobody.
            while not stopped.wait(LOOK_EVERY_S):
                pass
    if not process.drained:
        logging.getLogger(__name__).warning("Requests that had begun were cut off after %g s.", settings.stop_timeout_s)
    # All is stored and closed. Threads of granian's may still be there, one of them in a request that a client never
    # finishes: Python, going down in order, would wait for them or trip over them.
    log.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@main.group()
def layer() -> None:
    """Make the Lambda layer that traces functions without a change of their code."""


@layer.command("build")
@click.option("--python", "python", metavar="VERSION", help="Of Python, such as 3.12; otherwise this one's.")
@click.option("--all", "every", is_flag=True, help="One layer for every version of Python that Lambda has.")
@click.option(
    "--arch",
    type=click.Choice(["x86_64", "arm64"]),
    help="The architecture to publish for; otherwise both. The content is the same.",
)
@click.option(
    "--output", metavar="PATH", help="The file to write, with --all its folder; otherwise clew-VERSION.zip here."
)
@click.option("--without-bytecode", is_flag=True, help="Compile nothing: a smaller layer, and slower cold starts.")
def layer_build(python: str | None, every: bool, arch: str | None, output: str | None, without_bytecode: bool) -> None:
    """Build the layer as a zip file, and print its size and the command that publishes it.

    Holds the tracer and the parts of OpenTelemetry that it needs, as they are installed here. Needs an interpreter of
    that version of Python, to compile for: on PATH, of pyenv or of uv.
    """
    with told():
        from collector.app.layer_build import build_layers  # noqa: PLC0415 - see above

        for line in build_layers(python, arch, output, every=every, bytecode=not without_bytecode):
            click.echo(line)


@main.group()
def local() -> None:
    """Run Lambda functions on this machine."""


@local.command("invoke")
@click.argument("handler")
@click.option("--event", default="{}", metavar="FILE|-|JSON", help="What the handler gets; otherwise {}.")
@click.option("--code", default=".", metavar="DIR", help="Where the handler's module is; otherwise here.")
@click.option("--times", type=click.IntRange(1), default=1, metavar="N", help="How often, in one environment.")
@click.option(
    "--timeout", type=click.FloatRange(0, 900, min_open=True), default=3.0, metavar="S", help="Seconds; otherwise 3."
)
@click.option("--memory", type=click.IntRange(128, 10_240), default=512, metavar="MB", help="Otherwise 512.")
@click.option("--layer", "layers", multiple=True, metavar="ZIP|DIR", help="What is to be under /opt; several times.")
@click.option("--env", multiple=True, metavar="NAME[=VALUE]", help="A variable, by name alone as it is here.")
@click.option("--name", metavar="NAME", help="The function's; otherwise the module's.")
@click.option("--freeze", is_flag=True, help="Stop the process between invocations, as Lambda does.")
@click.option("--snap-start", is_flag=True, help="Initialise, freeze and restore it before the first invocation.")
@click.option("--python", metavar="EXE", help="That runs it, with awslambdaric installed; otherwise this one.")
def local_invoke(**options: Any) -> None:
    """Run a Lambda handler on this machine, in AWS's own runtime client.

    HANDLER is MODULE.FUNCTION, as Lambda is told it. Prints results on stdout and the function's log on stderr.
    Exit code 0 if every invocation succeeded, 1 if one failed. docs/local.md shows how to try the tracer with it.
    """
    with told():
        from collector.app.local import Options, invoke_locally  # noqa: PLC0415 - see above

        if not invoke_locally(Options(**options), click.echo, lambda line: click.echo(line, err=True)):
            sys.exit(CANNOT)


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"Clew {_version()}")


def _version() -> str:
    return version_of("clew-server")
