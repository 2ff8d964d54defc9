"""Load gradgauge's plugin, so that `pytest suites` finds its cases."""

pytest_plugins = ["gradgauge.plugin"]
