"""Stores: Redis, memcached, PostgreSQL, MariaDB."""

import os
import re
from pathlib import Path

from exchange import NOBODY, Exchange, accepts, eventually, free_port

PYTHON = "/usr/bin/python3.11"


class Redis(Exchange):
    """Redis with io-threads: pipelining, publish and subscribe, a replica that takes 20 MB and follows, persistence."""

    name = "redis"
    limit = 120
    needs = ("redis-server", "redis-cli", "redis-benchmark")

    def server(self, under, *options):
        port = free_port()
        place = self.place(f"redis-{port}")
        program = self.serve(
            ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", place, "--save", "", *options],
            port,
            under=under,
        )
        return port, program

    def exchange(self):
        for server, client in self.sides.values():
            self.check(server, client)

    def check(self, server, client):
        port, program = self.server(server, "--io-threads", 4, "--io-threads-do-reads", "yes")
        command = ["redis-cli", "-h", "127.0.0.1", "-p", port]
        benchmark = self.call(
            ["redis-benchmark", "-h", "127.0.0.1", "-p", port, "-n", 8000, "-c", 30, "-P", 16, "-q"]
            + ["-t", "set,get,lpush,lrange_100", "--threads", 2],
            under=client,
        )
        self.assertEqual(len(re.findall(r"([0-9.]+) requests per second", benchmark.out)), 5, str(benchmark))
        self.did("pipelining with io-threads")

        subscriber = self.start([*command, "SUBSCRIBE", "news"], under=client)
        subscriber.await_output("subscribe")
        for number in range(50):
            if number % 10 == 0:
                self.call([*command, "PUBLISH", "news", f"item {number}"], under=client)
        subscriber.await_output("item 40")
        subscriber.stop()
        self.did("publish and subscribe")

        self.call([*command, "DEBUG", "POPULATE", "20000", "key", "1000"], under=client, status=None)
        replica_port, replica = self.server(server, "--replicaof", f"127.0.0.1 {port}")
        replica_command = ["redis-cli", "-h", "127.0.0.1", "-p", replica_port]

        def size(of):
            return self.call([*of, "DBSIZE"]).out

        self.assertTrue(eventually(lambda: size(command) == size(replica_command), 20, 0.3), str(replica))
        self.call([*command, "SET", "follows", "yes"], under=client)
        self.assertTrue(
            eventually(lambda: self.call([*replica_command, "GET", "follows"], under=client).out == "yes\n", 10)
        )
        self.did("a replica")
        for each, ended in ((replica_command, replica), (command, program)):
            self.call([*each, "SHUTDOWN", "NOSAVE"], under=client)
            self.assertEqual(ended.wait(10), 0, str(ended))


MEMCACHED_CLIENT = """
import socket, sys, threading
port = int(sys.argv[1])
def work(number):
    connection = socket.create_connection(("127.0.0.1", port))
    stream = connection.makefile("rwb")
    value = bytes([65 + number % 26]) * 5000
    for step in range(100):
        stream.write(b"set key-%d-%d 0 0 5000\\r\\n%s\\r\\n" % (number, step, value))
    stream.flush()
    for step in range(100):
        assert stream.readline() == b"STORED\\r\\n"
    for step in range(100):
        stream.write(b"get key-%d-%d\\r\\n" % (number, step))
        stream.flush()
        assert stream.readline() == b"VALUE key-%d-%d 0 5000\\r\\n" % (number, step)
        assert stream.readline() == value + b"\\r\\n" and stream.readline() == b"END\\r\\n"
    done.append(number)
done = []
threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(done))
"""


class Memcached(Exchange):
    """memcached with four threads and 20 clients at once."""

    name = "memcached"
    needs = ("memcached", PYTHON)

    def exchange(self):
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        for server, client in self.sides.values():
            port = free_port()
            program = self.serve(
                ["memcached", "-p", port, "-U", 0, "-l", "127.0.0.1", "-t", 4, "-m", 64, *user], port, under=server
            )
            self.assertEqual(self.call([PYTHON, "-c", MEMCACHED_CLIENT, port], under=client).out, "20\n", str(program))
            self.did("20 clients at once")
            program.stop()


def postgresql(name: str) -> str:
    """The path of one of PostgreSQL's programs: Debian keeps them by version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else f"/usr/lib/postgresql/bin/{name}"


class PostgreSQL(Exchange):
    """PostgreSQL over TCP: initdb, psql with a bulk COPY, notifications, a cancelled query, pgbench."""

    name = "postgresql"
    limit = 150
    needs = (postgresql("initdb"), postgresql("postgres"), postgresql("pgbench"), "psql")

    def exchange(self):
        for server, client in self.sides.values():
            self.check(server, client)

    def check(self, server, client):
        port = free_port()
        data = self.place(f"data-{server}-{client}", owner=NOBODY)
        data.chmod(0o700)
        self.call(
            self.as_nobody([postgresql("initdb"), "-D", data, "-U", "someone", "-A", "trust", "-N", "--locale=C"]),
            under=server, timeout=60,
        )
        program = self.serve(
            self.as_nobody(
                [postgresql("postgres"), "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1"]
                + ["-c", "unix_socket_directories=", "-c", "fsync=off"]
            ),
            port,
            under=server,
        )
        connection = ["-h", "127.0.0.1", "-p", port, "-U", "someone"]
        psql = ["psql", "-X", "-A", "-t", *connection, "-d", "postgres"]
        eventually(lambda: self.call([*psql, "-c", "select 1"], status=None).out == "1\n", 10, 0.3)
        rows = "".join(f"{number}\t{number * 7919 % 10007}\n" for number in range(50_000))
        source = self.write("rows", rows)
        self.call([*psql, "-c", "create table t (a int, b int)"], under=client)
        with open(source, "rb") as stdin:
            self.call([*psql, "-c", "copy t from stdin"], under=client, stdin=stdin)
        self.assertEqual(self.call([*psql, "-c", "copy t to stdout"], under=client).out, rows)
        self.did("psql, 50,000 rows in and out")
        cancelled = self.call(
            [*psql, "-c", "set statement_timeout = 300", "-c", "select pg_sleep(20)"], under=client, status=1
        )
        self.assertIn("statement timeout", cancelled.err)
        interrupted = self.start([*psql, "-c", "select pg_sleep(20)"], under=client)
        active = "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
        self.assertTrue(eventually(lambda: self.call([*psql, "-c", active]).out == "1\n", 10, 0.2))
        interrupted.signal_group(2)
        self.assertNotEqual(interrupted.wait(5), 0)
        self.assertIn("canceling statement due to user request", interrupted.err)
        self.did("a query cancelled")
        bench = [postgresql("pgbench"), *connection]
        self.call([*bench, "-i", "-q", "-s", "1", "postgres"], under=client)
        for protocol in ("simple", "prepared"):
            out = self.call(
                [*bench, "-M", protocol, "-c", "8", "-j", "2", "-t", "100", "postgres"], under=client, timeout=60
            )
            self.assertIn("number of transactions actually processed: 800/800", out.out, str(out))
        self.did("pgbench")
        program.process.send_signal(2)
        self.assertEqual(program.wait(20), 0, str(program))
        self.assertFalse(accepts(port))


class MariaDB(Exchange):
    """MariaDB over TCP: mariadb-install-db, the client, a large result, load by mariadb-slap."""

    name = "mariadb"
    limit = 200
    needs = ("mariadbd", "mariadb-install-db", "mariadb", "mariadb-slap")

    def exchange(self):
        data = self.place("template", owner=NOBODY)
        user = ["--user=nobody"] if os.geteuid() == 0 else []
        self.call(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
            + ["--skip-test-db", "--skip-name-resolve", *user],
            timeout=60,
        )
        for server, client in self.sides.values():
            self.check(data, user, server, client)

    def check(self, data, user, server, client):
        port = free_port()
        program = self.serve(
            ["mariadbd", "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"]
            + [f"--socket={data}/socket", f"--pid-file={data}/pid", "--innodb-flush-log-at-trx-commit=0"]
            + ["--innodb-buffer-pool-size=32M", *user],
            port,
            under=server,
        )
        connection = ["--no-defaults", "-h", "127.0.0.1", "--protocol=tcp", "-P", port, "-u", "root"]
        sql = ["mariadb", *connection, "-N", "-B", "-e"]
        self.assertEqual(self.call([*sql, "select 6 * 7"], under=client).out, "42\n", str(program))
        self.did("the client")
        self.call(
            [*sql, "create database d; use d; create table t (a int primary key, b varchar(200)) engine=innodb;"
             "insert into t select seq, repeat(char(65 + seq % 26), 200) from seq_1_to_20000"],
            under=client,
        )
        result = self.call([*sql, "select a, b from d.t order by a"], under=client).out.splitlines()
        self.assertEqual(len(result), 20000)
        self.assertEqual(result[99], "100\t" + chr(65 + 100 % 26) * 200)
        self.did("a result of 4 MB")
        load = self.call(
            ["mariadb-slap", *connection, "--concurrency=10", "--number-of-queries=2000", "--auto-generate-sql"],
            under=client,
            timeout=60,
        )
        self.assertIn("Number of clients running queries: 10", load.out)
        self.did("ten clients of mariadb-slap")
        self.call([*sql, "drop database d; shutdown"], under=client)
        self.assertEqual(program.wait(20), 0, str(program))
