from pathlib import Path

from xenlab import case, guest, run
from xenlab.leaks import channels, mapped_grants

one = guest("guest")


@case("runs on Xen, as the control domain")
def _():
    assert "control_d" in Path("/proc/xen/capabilities").read_text()


@case("exchanges words with the guest")
def _():
    assert one.hear("greeting") == "from the guest"
    one.tell("greeting", "from dom0")


@case("has curl for its own loopback")
def _():
    assert "curl" in run(["curl", "--version"]).out


@case("sees the guest's channels, and none of its pages but the console's and XenStore's in use")
def _():
    assert any(channel.state == "interdomain" and channel.remote == 0 for channel in channels(one.id))
    assert len(mapped_grants(one.id)) <= 2
    one.tell("done")
