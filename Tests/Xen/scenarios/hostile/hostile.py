from xenlab import case, hear, note, run, tell

SECONDS = 60


@case("writes garbage for a minute", limit=SECONDS + 40)
def _():
    hear("begin", 60)
    note(run(["/lab/bin/hostile", SECONDS, 20261122], limit=SECONDS + 30).out.strip())
    tell("ended")
    hear("done", 30)
