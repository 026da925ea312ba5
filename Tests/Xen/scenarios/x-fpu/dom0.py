import threading, time, hashlib, os, zlib
from xenlab import case, note, run, guest
from xenlab.traffic import digest, pattern
note(run(["sh","-c","grep -m1 flags /proc/cpuinfo"]).out.strip())
guest("guest").hear("ready")
@case("one thread")
def _():
    t=time.monotonic()
    good=set(digest(1<<20) for _ in range(64)); note(f"{len(good)} digests, {16/(time.monotonic()-t):.1f} MiB/s")
    assert len(good)==1
@case("two threads")
def _():
    got=[]
    def go():
        for _ in range(64): got.append(digest(1<<20))
    ts=[threading.Thread(target=go) for _ in range(2)]
    t=time.monotonic()
    [x.start() for x in ts]; [x.join() for x in ts]
    note(f"{len(set(got))} digests of {len(got)} {32/(time.monotonic()-t):.1f} MiB/s")
    assert len(set(got))==1
@case("two processes, crc of copies")
def _():
    run(["python3","-c","""
import os,zlib
if os.fork()==0: pass
b=os.urandom(1<<20); want=zlib.crc32(b); bad=0
for i in range(300):
    c=bytearray(b); bad+= zlib.crc32(c)!=want
print(bad)
assert bad==0
"""])
