"""Servers and clients of language runtimes: node, Java, PHP, Python."""

import os
import re
import signal

from exchange import Exchange, eventually, free_port
from harness.processes import descendants

NODE_CLUSTER = """
const cluster = require('cluster'), http = require('http'), net = require('net');
if (process.argv[3] === 'none') cluster.schedulingPolicy = cluster.SCHED_NONE;
if (cluster.isPrimary) {
  for (let i = 0; i < 3; i++) cluster.fork();
  process.on('SIGTERM', () => { for (const id in cluster.workers) cluster.workers[id].kill(); });
} else {
  http.createServer((request, response) => {
    let size = 0;
    request.on('data', part => size += part.length);
    request.on('end', () => response.end(`${process.pid} ${size}\\n`));
  }).listen(+process.argv[2], '127.0.0.1', () => console.log('worker ready'));
}
"""

NODE_CLIENT = """
const url = process.argv[2], http = require('http');
(async () => {
  const body = 'x'.repeat(200000), seen = new Set();
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all(Array.from({length: 20}, async () => {
      const answer = await fetch(url, {method: 'POST', body});
      return (await answer.text()).trim().split(' ');
    }));
    for (const [pid, size] of answers) {
      if (size !== '200000') throw new Error(`size ${size}`);
      seen.add(pid);
    }
  }
  const agent = new http.Agent({keepAlive: false});
  for (let i = 0; i < 50; i++) {
    await new Promise((resolve, reject) => http.get(url, {agent}, answer => {
      answer.on('data', part => seen.add(String(part).split(' ')[0])); answer.on('end', resolve);
    }).on('error', reject));
  }
  console.log(`workers ${seen.size}`);
})().catch(error => { console.error(error); process.exit(1); });
"""


class Node(Exchange):
    """node: an http server of a cluster, its workers accepting by themselves or given connections, and fetch."""

    name = "node"
    limit = 120
    needs = ("node",)

    def exchange(self):
        server_script = self.write("cluster.js", NODE_CLUSTER)
        client_script = self.write("client.js", NODE_CLIENT)
        for server, client in self.sides.values():
            for way, policy in (("connections handed to workers", "rr"), ("workers that accept", "none")):
                port = free_port()
                program = self.serve(["node", server_script, port, policy], port, under=server)
                eventually(lambda program=program: program.out.count("worker ready") == 3, 10)
                out = self.call(["node", client_script, f"http://127.0.0.1:{port}/"], under=client, timeout=40)
                workers = int(re.fullmatch(r"workers (\d)\n", out.out)[1])
                self.assertGreaterEqual(workers, 3 if policy == "rr" else 1)
                self.did(f"http server and fetch, cluster: {way}")
                program.stop()


JAVA_SERVER = """
import com.sun.net.httpserver.HttpServer;
import java.net.*;
import java.nio.*;
import java.nio.channels.*;
import java.util.concurrent.Executors;

public class Server {
    public static void main(String[] arguments) throws Exception {
        var address = InetAddress.getByName("127.0.0.1");
        var http = HttpServer.create(new InetSocketAddress(address, Integer.parseInt(arguments[0])), 50);
        http.setExecutor(Executors.newFixedThreadPool(4));
        http.createContext("/", exchange -> {
            byte[] body = exchange.getRequestBody().readAllBytes();
            exchange.sendResponseHeaders(200, body.length);
            try (var out = exchange.getResponseBody()) { out.write(body); }
        });
        http.start();
        var selector = Selector.open();
        var listener = ServerSocketChannel.open();
        listener.bind(new InetSocketAddress(address, Integer.parseInt(arguments[1])));
        listener.configureBlocking(false);
        listener.register(selector, SelectionKey.OP_ACCEPT);
        System.out.println("ready");
        while (true) {
            selector.select();
            var keys = selector.selectedKeys().iterator();
            while (keys.hasNext()) {
                var key = keys.next();
                keys.remove();
                if (key.isAcceptable()) {
                    var channel = listener.accept();
                    if (channel == null) continue;
                    channel.configureBlocking(false);
                    channel.register(selector, SelectionKey.OP_READ, ByteBuffer.allocateDirect(65536));
                    continue;
                }
                var channel = (SocketChannel) key.channel();
                var buffer = (ByteBuffer) key.attachment();
                if (key.isReadable() && channel.read(buffer) < 0) { channel.close(); continue; }
                buffer.flip();
                channel.write(buffer);
                key.interestOps(buffer.hasRemaining()
                    ? (buffer.remaining() == buffer.capacity() ? SelectionKey.OP_WRITE
                        : SelectionKey.OP_READ | SelectionKey.OP_WRITE)
                    : SelectionKey.OP_READ);
                buffer.compact();
            }
        }
    }
}
"""

JAVA_CLIENT = """
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.*;
import java.nio.channels.*;
import java.util.*;
import java.util.concurrent.*;

public class Client {
    public static void main(String[] arguments) throws Exception {
        byte[] body = new byte[300_000];
        new Random(1).nextBytes(body);
        var client = HttpClient.newHttpClient();
        var uri = URI.create("http://127.0.0.1:" + arguments[0] + "/");
        var answers = new ArrayList<CompletableFuture<HttpResponse<byte[]>>>();
        for (int i = 0; i < 30; i++) {
            var request = HttpRequest.newBuilder(uri).POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
            answers.add(client.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray()));
        }
        for (var answer : answers) {
            if (!Arrays.equals(answer.get(20, TimeUnit.SECONDS).body(), body)) throw new Exception("HttpClient");
        }
        int port = Integer.parseInt(arguments[1]);
        var pool = Executors.newFixedThreadPool(8);
        var tasks = new ArrayList<Future<?>>();
        for (int i = 0; i < 8; i++) tasks.add(pool.submit(() -> { stream(port, body); channel(port, body); return null; }));
        for (var task : tasks) task.get(20, TimeUnit.SECONDS);
        pool.shutdown();
        closing(port);
        System.out.println("done");
        System.exit(0);
    }

    static void stream(int port, byte[] body) throws Exception {
        try (var socket = new Socket("127.0.0.1", port)) {
            socket.setSoTimeout(10_000);
            socket.setTcpNoDelay(true);
            var writer = new Thread(() -> {
                try { socket.getOutputStream().write(body); socket.shutdownOutput(); } catch (IOException error) { }
            });
            writer.start();
            var back = socket.getInputStream().readNBytes(body.length);
            writer.join();
            if (!Arrays.equals(back, body)) throw new Exception("Socket");
        }
    }

    static void channel(int port, byte[] body) throws Exception {
        var selector = Selector.open();
        var channel = SocketChannel.open();
        channel.configureBlocking(false);
        channel.connect(new InetSocketAddress("127.0.0.1", port));
        channel.register(selector, SelectionKey.OP_CONNECT);
        var out = ByteBuffer.wrap(body);
        var in = ByteBuffer.allocate(body.length);
        while (in.hasRemaining()) {
            if (selector.select(10_000) == 0) throw new Exception("selector: nothing");
            selector.selectedKeys().clear();
            if (channel.isConnectionPending()) {
                channel.finishConnect();
                channel.keyFor(selector).interestOps(SelectionKey.OP_READ | SelectionKey.OP_WRITE);
            }
            if (channel.isConnected()) {
                if (out.hasRemaining()) channel.write(out);
                else channel.keyFor(selector).interestOps(SelectionKey.OP_READ);
                if (channel.read(in) < 0) throw new Exception("channel: end");
            }
        }
        if (!Arrays.equals(in.array(), body)) throw new Exception("channel");
        channel.close();
        selector.close();
    }

    /* close() from another thread ends a blocked read with an exception. */
    static void closing(int port) throws Exception {
        var socket = new Socket("127.0.0.1", port);
        var ended = new CompletableFuture<String>();
        new Thread(() -> {
            try { ended.complete("" + socket.getInputStream().read()); }
            catch (SocketException error) { ended.complete("closed"); }
            catch (IOException error) { ended.complete("" + error); }
        }).start();
        Thread.sleep(200);
        socket.close();
        if (!ended.get(5, TimeUnit.SECONDS).equals("closed")) throw new Exception("close: " + ended.get());
    }
}
"""


class Java(Exchange):
    """Java: HttpServer and HttpClient, a selector server with stream and channel clients, close() of a blocked read."""

    name = "java"
    limit = 180
    needs = ("java", "javac")

    def exchange(self):
        server_source = self.write("Server.java", JAVA_SERVER)
        client_source = self.write("Client.java", JAVA_CLIENT.replace("keyFor", "keyFor"))
        self.call(["javac", "-d", self.directory, server_source, client_source], timeout=60)
        for server, client in self.sides.values():
            port, selecting = free_port(), free_port()
            program = self.serve(["java", "-cp", self.directory, "Server", port, selecting], port, under=server)
            program.await_output("ready", 20)
            out = self.call(["java", "-cp", self.directory, "Client", port, selecting], under=client, timeout=60)
            self.assertEqual(out.out, "done\n", str(program))
            self.did("HttpServer and HttpClient, NIO, a read ended by close()")
            program.stop()


FPM = """
[global]
error_log = {directory}/fpm.log
daemonize = no
[www]
listen = 127.0.0.1:{port}
pm = static
pm.max_children = 3
{user}
"""

PHP_NGINX = """
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            fastcgi_pass 127.0.0.1:{fpm};
            fastcgi_param SCRIPT_FILENAME {directory}/script.php;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param CONTENT_TYPE application/octet-stream;
        }}
    }}
}}
"""

PHP_SCRIPT = """<?php
$body = file_get_contents('php://input');
echo getmypid(), ' ', strlen($body), ' ', crc32($body), ' ', str_repeat('y', (int) ($_GET['n'] ?? 0));
"""


class PHP(Exchange):
    """php-fpm behind nginx, over FastCGI on TCP: its three children under load, and a reload."""

    name = "php-fpm"
    limit = 120
    needs = ("php-fpm8.2", "nginx", "ab", "curl", "cgi-fcgi")

    def exchange(self):
        self.write("script.php", PHP_SCRIPT)
        root = os.geteuid() == 0
        for server, client in self.sides.values():
            fpm, port = free_port(), free_port()
            pool = self.write(
                "fpm.conf",
                FPM.format(directory=self.directory, port=fpm, user="user = nobody\ngroup = nogroup" if root else ""),
            )
            web = self.write(
                "nginx.conf",
                PHP_NGINX.format(
                    directory=self.directory, port=port, fpm=fpm, user="user nobody nogroup;" if root else ""
                ),
            )
            manager = self.serve(["php-fpm8.2", "-n", "-F", "-y", pool], fpm, under=server)
            nginx = self.serve(
                ["nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c", web], port, under=client
            )
            direct = self.call(
                ["cgi-fcgi", "-bind", "-connect", f"127.0.0.1:{fpm}"], under=client,
                variables={"SCRIPT_FILENAME": str(self.directory / "script.php"), "REQUEST_METHOD": "GET",
                           "QUERY_STRING": "n=3"},
            )
            self.assertRegex(direct.out, r"\d+ 0 0 yyy", str(manager))
            self.did("cgi-fcgi")
            self.load(port)
            self.did("three children behind nginx")
            before = set(descendants(manager.pid))
            os.kill(manager.pid, signal.SIGUSR2)
            eventually(lambda manager=manager, before=before: not before & set(descendants(manager.pid)), 10)
            self.assertFalse(before & set(descendants(manager.pid)))
            self.assertTrue(eventually(lambda port=port: self.answers(port), 10, 0.2), str(manager))
            self.load(port)
            self.did("reload")
            nginx.stop()
            manager.stop()

    def answers(self, port):
        return self.call(["curl", "-q", "-s", "--fail", f"http://127.0.0.1:{port}/"], status=None).wait(0) == 0

    def load(self, port):
        body = self.write("request", os.urandom(200_000))
        out = self.fetch(f"http://127.0.0.1:{port}/?n=100000", "--data-binary", f"@{body}").decode()
        self.assertRegex(out, r"^\d+ 200000 \d+ y{100000}$")
        ab = self.call(["ab", "-q", "-n", 600, "-c", 8, "-l", f"http://127.0.0.1:{port}/?n=5000"])
        self.assertRegex(ab.out, r"Failed requests: +0\n")
        self.assertNotIn("Non-2xx", ab.out)


WSGI = """
import os
def application(environment, start_response):
    body = environment["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d %d\\n" % (os.getpid(), len(body))]
"""

ASGI = """
import os
async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d %d\\n" % (os.getpid(), size)})
"""


class Gunicorn(Exchange):
    """gunicorn with three forked workers: load, a worker replaced, a reload."""

    name = "gunicorn"
    limit = 120
    needs = ("gunicorn", "ab", "curl")

    def exchange(self):
        self.write("application.py", WSGI)
        for server, client in self.sides.values():
            port = free_port()
            program = self.serve(
                ["gunicorn", "-w", "3", "-b", f"127.0.0.1:{port}", "--chdir", self.directory, "application:application"]
                + ["--worker-tmp-dir", self.directory],
                port,
                under=server,
                variables={"PYTHONDONTWRITEBYTECODE": "1"},
            )
            self.load(port, client)
            self.did("three workers under load")
            workers = set(descendants(program.pid))
            os.kill(min(workers), signal.SIGKILL)
            self.assertTrue(eventually(lambda: len(set(descendants(program.pid)) & workers) == 2, 5))
            self.load(port, client)
            self.did("one of them killed and replaced")
            os.kill(program.pid, signal.SIGHUP)
            self.assertTrue(eventually(lambda: not workers & set(descendants(program.pid)), 10), str(program))
            self.load(port, client)
            self.did("reload")
            program.stop()

    def load(self, port, under):
        self.write("request", b"z" * 300_000)
        url = f"http://127.0.0.1:{port}/"
        out = self.fetch(url, "--data-binary", f"@{self.directory}/request", under=under).decode()
        self.assertRegex(out, r"^\d+ 300000\n$")
        ab = self.call(["ab", "-q", "-n", 600, "-c", 8, "-l", url], under=under)
        self.assertRegex(ab.out, r"Failed requests: +0\n")
        self.assertNotIn("Non-2xx", ab.out)


class Uvicorn(Gunicorn):
    """uvicorn on uvloop, alone and with two worker processes."""

    name = "uvicorn"
    needs = ("uvicorn", "ab", "curl")

    def exchange(self):
        self.write("application.py", ASGI)
        for server, client in self.sides.values():
            for options in ([], ["--workers", "2"], ["--loop", "asyncio", "--http", "h11"]):
                port = free_port()
                program = self.serve(
                    ["uvicorn", "--app-dir", self.directory, "--host", "127.0.0.1", "--port", port]
                    + ["--log-level", "warning", *options, "application:application"],
                    port,
                    under=server,
                    variables={"PYTHONDONTWRITEBYTECODE": "1"},
                )
                self.load(port, client)
                program.stop()
            self.did("one process, two workers, uvloop and asyncio under load")
