"""What all tests share: `async def` tests run in a loop of their own, and property tests stay short."""

import asyncio
import inspect

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test to its end."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The minutes of each folder, so that a suite that grows too long shows where."""
    minutes: dict[str, float] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                folder = report.nodeid.partition("::")[0].rpartition("/")[0]
                minutes[folder] = minutes.get(folder, 0.0) + report.duration / 60
    terminalreporter.section("minutes of each folder")
    for folder, spent in sorted(minutes.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{spent:6.2f}  {folder}")
