import time

from xenlab import case, eventually, guest, note, run, store
from xenlab.leaks import channels_between, domains, mapped_grants

driver, user = guest("driver"), guest("user")


def backend() -> str:
    return f"{driver.path}/backend/pvcalls/{user.id}/0"


def tell_user(word: str, limit: float = 60):
    """Hands a word of the driver domain's on to the user's."""
    user.tell(word, driver.hear(word, limit))


@case("xl makes a device whose backend is another guest", limit=120)
def _():
    driver.start()
    driver.tell("life", 1)
    user.start()
    assert store.permitted(backend()) == [f"n{driver.id}", f"r{user.id}"]
    assert store.permitted(f"{user.path}/device/pvcalls/0") == [f"n{user.id}", f"r{driver.id}"]
    assert store.permitted(f"{user.path}/name") == ["n0", f"r{user.id}"], "which is why the driver domain has to do without"
    driver.tell("user", user.id)
    for word in ("files", "digest"):
        tell_user(word)
    store.wait(f"{backend()}/state", 4, limit=60)
    assert store.read(f"{user.path}/device/pvcalls/0/backend-id") == str(driver.id)


@case("dom0 has no part in the guest's traffic", limit=200)
def _():
    driver.tell("listening", user.hear("listening", 190))
    user.tell("reached", driver.hear("reached", 60))
    assert {grant.mapper for grant in mapped_grants(user.id)} == {0, driver.id}
    assert len([grant for grant in mapped_grants(user.id) if grant.mapper == 0]) <= 2, "the console's and XenStore's"
    assert channels_between(driver.id, user.id) > 0


@case("the driver domain's service is killed and comes back", limit=90)
def _():
    driver.tell("kill", user.hear("holds", 60))
    tell_user("killed")
    driver.tell("works", user.hear("works", 60))


@case("the driver domain is destroyed in the middle of transfers", limit=120)
def _():
    user.hear("transfers", 60)
    assert driver.ended.wait(60)
    first = driver.id
    driver.destroy()
    user.tell("driver-gone")
    eventually(lambda: first not in domains(), 20, "the driver domain is gone for good")
    user.hear("failed", 60)
    assert not [grant for grant in mapped_grants(user.id) if grant.mapper == first]
    assert channels_between(user.id, first) == 0


@case("another driver domain takes over the guest's device", limit=150)
def _():
    # The first was none by its configuration, which makes no difference here.
    driver.start("driver_domain=1")
    driver.tell("life", 2)
    driver.tell("user", user.id)
    # As docs/XEN.md has it: who may read the name knows it.
    run(["xenstore-chmod", f"{user.path}/name", "n0", f"r{user.id}", f"r{driver.id}"])
    assert "already" in run(["xensock", "attach", "--backend", "driver", "user"], status=1).err
    run(["xensock", "detach", "user"], limit=30)
    assert not store.list(f"{user.path}/device/pvcalls")
    driver.hear("serves", 60)
    run(["xensock", "attach", "--backend", "driver", "user"])
    store.wait(f"{backend()}/state", 4, limit=60)
    for path, owner, reader in ((backend(), driver, user), (f"{user.path}/device/pvcalls/0", user, driver)):
        assert store.permitted(path) == store.permitted(f"{path}/state") == [f"n{owner.id}", f"r{reader.id}"]
    user.tell("new-files", driver.hear("files"))


@case("detach and attach in dom0 while the driver domain serves", limit=60)
def _():
    user.hear("new-works", 60)
    run(["xensock", "detach", "user"], limit=30)
    assert store.read(backend()) is None and not store.list(f"{user.path}/device/pvcalls")
    run(["xensock", "attach", "--backend", "driver", "user"])
    store.wait(f"{backend()}/state", 4, limit=60)
    user.tell("again")


@case("the guest is destroyed in the middle of a transfer, and the driver domain keeps nothing of it", limit=120)
def _():
    user.hear("transferring", 60)
    assert user.ended.wait(30)
    number = user.id
    begun = time.monotonic()
    user.destroy()
    note(f"xl destroy took {time.monotonic() - begun:.1f} s")
    eventually(lambda: number not in domains(), 15, "grants are still mapped")
    assert channels_between(driver.id, number) == 0
    assert store.read(backend()) is None
    driver.tell("destroyed")
