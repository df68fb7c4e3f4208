"""Programs of anybody's: what explain runs, and the word that it has for the run."""
from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pairs
import pytest
from harness.explore import schedules
from harness.judge import findings, standard
from harness.stage import brought
from harness.stage.conductor import Conductor, Live
from harness.stage.limits import CALLS
from harness.tell import brought as page

HERE = Path(__file__).resolve().parent / "brought"
PYTHON = sys.executable


def run(tmp_path, servers=(), clients=(), isolate=True, observe=True, **how):
    cast = brought.cast(servers, clients, tmp_path / "built", stdin=how.pop("stdin", {}), **how)
    return Conductor(cast, Live(), keeper=pairs.lent(isolate), observe=observe).run()


def texts(run, who):
    return [line.text for line in standard.lines(run) if line.who == who]


def printed(run, who):
    return [one.text.rstrip("\r") for one in run.outputs if one.who == who and one.stream == "stdout"]


def script(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return f"{PYTHON} {path}"


def given(tmp_path, text):
    path = tmp_path / "given.txt"
    path.write_text(text)
    return str(path)


# --- whole programs ---------------------------------------------------------------------------------------------------

def test_two_silent_clients_of_a_chat_server_are_idle_and_no_deadlock(tmp_path):
    made = run(tmp_path, [f"{HERE}/chat.c"], [f"{HERE}/talker.c"] * 2)
    assert page.verdict(made)[:2] == ("idle", 0)
    waits = list(page.waits(made))
    assert "the server waits in select for a new connection, or for the client and client-2" in waits
    assert "the client waits in select for its standard input, or for connection 1" in waits
    assert printed(made, "server") == ["joined", "joined"]      # though it never flushes, and is killed


def test_what_one_client_says_comes_to_the_other(tmp_path):
    made = run(tmp_path, [f"{HERE}/chat.c"], [f"{HERE}/talker.c"] * 2, stdin={"client-2": given(tmp_path, "hi all\n")})
    assert printed(made, "client") == ["hi all"]
    assert page.verdict(made)[0] == "idle"      # the first one still waits for its keyboard


def test_an_echo_server_in_c_and_a_client_in_python_over_ipv6(tmp_path):
    client = script(tmp_path, "cli.py", "import socket\ns = socket.create_connection(('::1', 9000))\ns.sendall(b'over six')\nprint(s.recv(100))\n")
    made = run(tmp_path, [f"{HERE}/echo.c 9000"], [client])
    assert texts(made, "client") == ["connecting to [::1]:9000", "connected", "sending 8 bytes", "received 8 bytes", "closing"]
    assert texts(made, "server") == ["listening ([::]:9000)", "accepted", "received 8 bytes", "sending 8 bytes", "EOF", "closing"]
    assert (page.verdict(made)[0], printed(made, "server")) == ("told", ["echoing"])


def test_a_program_that_daemonises_is_followed_and_leaves_nothing(tmp_path):
    client = script(tmp_path, "cli.py", "import socket\ns = socket.create_connection(('localhost', 9000))\ns.sendall(b'x')\ns.recv(9)\n")
    made = run(tmp_path, [f"{HERE}/echo.c 9000 away"], [client])
    assert "received 1 byte" in texts(made, "server")
    assert page.verdict(made)[0] == "told"


CHATTING = """import socket, threading
server, clients = socket.create_server(('127.0.0.1', 9000)), []
def serve(mine):
    while data := mine.recv(100):
        for one in clients:
            one.sendall(data)
while True:
    clients.append(server.accept()[0])
    threading.Thread(target=serve, args=(clients[-1],)).start()
"""
SERVING = "import socket\nl = socket.create_server(('127.0.0.1', 9000))\nwhile True:\n    c = l.accept()[0]\n    while c.recv(100):\n        pass\n"
HEARS = "import socket\ns = socket.create_connection(('127.0.0.1', 9000))\ns.recv(100)\n"
TYPES = "import socket, sys\ns = socket.create_connection(('127.0.0.1', 9000))\nfor line in sys.stdin:\n    s.sendall(line.encode())\n"
BOTH = TYPES.replace("import socket, sys", "import socket, sys, threading").replace("for line", "threading.Thread(target=s.recv, args=(9,)).start()\nfor line")


@pytest.mark.parametrize("server, clients, word", [
    (CHATTING, (HEARS, TYPES), "idle"),         # whoever types wakes another thread of the server, and that one writes to the first client
    (SERVING, (BOTH,), "idle"),                 # the client's other thread waits for its keyboard
    (SERVING, (HEARS, TYPES), "deadlock"),      # nobody reads what the second client sends
])
def test_a_wait_that_somebody_who_types_may_end_is_no_deadlock(tmp_path, server, clients, word):
    programs = [script(tmp_path, f"{n}.py", text) for n, text in enumerate((server, *clients))]
    assert page.verdict(run(tmp_path, programs[:1], programs[1:]))[0] == word


def test_a_client_that_never_gets_its_answer_is_a_proven_deadlock(tmp_path):
    server = script(tmp_path, "srv.py", "import socket\nl = socket.create_server(('127.0.0.1', 9000))\nc, _ = l.accept()\nc.recv(100)\nc.recv(100)\n")
    client = script(tmp_path, "cli.py", "import socket\ns = socket.create_connection(('127.0.0.1', 9000))\ns.sendall(b'ask')\ns.recv(1)\n")
    assert page.verdict(run(tmp_path, [server], [client]))[:2] == ("deadlock", 1)


def test_who_waits_for_a_client_that_waits_for_its_keyboard_is_idle(tmp_path):
    server = script(tmp_path, "srv.py", "import socket\nl = socket.create_server(('127.0.0.1', 9000))\nc, _ = l.accept()\nc.recv(100)\n")
    client = script(tmp_path, "cli.py", "import socket\ns = socket.create_connection(('127.0.0.1', 9000))\ninput()\n")
    made = run(tmp_path, [server], [client])
    assert page.verdict(made)[:2] == ("idle", 0)
    assert "the client waits in read for its standard input" in list(page.waits(made))


def test_netcat_on_both_sides(tmp_path):
    if not shutil.which("nc"):
        pytest.skip("nc is not installed")
    made = run(tmp_path, ["nc -l 9000"], ["nc -N localhost 9000"], stdin={"client": given(tmp_path, "hello\n")})
    assert (page.verdict(made)[0], printed(made, "server")) == ("told", ["hello"])
    assert texts(made, "client")[:2] == ["connecting to 127.0.0.1:9000", "connected"]      # of a connect that went on by itself


def test_curl_against_a_small_server_in_c(tmp_path):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    made = run(tmp_path, [f"{HERE}/http.c 8000"], ["curl -sS http://localhost:8000/"])
    assert (page.verdict(made)[0], printed(made, "client")) == ("told", ["hi"])


def test_the_http_server_of_python_polls_on_and_the_run_ends(tmp_path):
    client = script(tmp_path, "cli.py", "import urllib.request\nprint(urllib.request.urlopen('http://127.0.0.1:8000/').status)\n")
    made = run(tmp_path, [f"{PYTHON} -m http.server 8000 --bind 127.0.0.1 --directory {tmp_path}"], [client])
    assert (page.verdict(made)[0], printed(made, "client")) == ("told", ["200"])


def test_a_pair_in_go(tmp_path):
    if not shutil.which("go"):
        pytest.skip("go is not installed")
    import subprocess
    for name, body in (("srv", 'l, _ := net.Listen("tcp", ":9000"); for { c, _ := l.Accept(); io.Copy(c, c); c.Close() }'),
                       ("cli", 'c, _ := net.Dial("tcp", "localhost:9000"); c.Write([]byte("go")); c.(*net.TCPConn).CloseWrite(); '
                               'b, _ := io.ReadAll(c); println(string(b))')):
        (tmp_path / f"{name}.go").write_text(f'package main\nimport ("io"; "net")\nfunc main() {{ {body} }}\n')
        subprocess.run(["go", "build", "-o", str(tmp_path / name), str(tmp_path / f"{name}.go")], check=True, cwd=tmp_path)
    made = run(tmp_path, [str(tmp_path / "srv")], [str(tmp_path / "cli")])
    assert page.verdict(made)[0] == "told"
    assert "sending 2 bytes" in texts(made, "server") and "received 2 bytes" in texts(made, "client")


def test_without_a_network_of_its_own_the_ports_are_those_of_the_machine(tmp_path):
    import socket
    with socket.socket() as probe:      # a port that is free now: programs that are brought have their ports built in
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = run(tmp_path, [f"{HERE}/http.c {port}"], [script(tmp_path, "cli.py", f"import urllib.request\nurllib.request.urlopen('http://127.0.0.1:{port}/')\n")],
               isolate=False)
    assert page.verdict(made)[0] == "told"
    assert any("the ports of this machine" in note for note in made.notes)


def test_with_calls_switched_off_one_line_says_so_and_output_is_shown(tmp_path):
    made = run(tmp_path, [f"{HERE}/chat.c"], [f"{HERE}/talker.c"], observe=False)
    assert standard.lines(made) == () and printed(made, "server") == ["joined"]
    assert [note for note in made.notes if "system calls" in note] == ["system calls are not looked at: switched off (TCPLAB_CALLS=off)"]


# --- why it went so -----------------------------------------------------------------------------------------------------

SERVES = "import ctypes, os, select, socket, struct, threading, time\nl = socket.create_server(('127.0.0.1', 9000))\nc, _ = l.accept()\n"
ASKS_FOR = "import ctypes, os, socket, struct, time\ns = socket.create_connection(('127.0.0.1', 9000))\n"
IN_ALL = "n, got = {0}, b''\nwhile len(got) < n: got += c.recv(n - len(got))\nc.send(b'ok')\n"
LENGTH = "n, = struct.unpack('!I', c.recv(4))\nc.recv(n, socket.MSG_WAITALL)\nc.send(b'ok')\n"
CHILD_ENDS = ("import signal; signal.signal(17, lambda *a: None); signal.pthread_sigmask(signal.SIG_BLOCK, {17})\nr, w = os.pipe()\n"
              "if os.fork() == 0: os._exit(0)\nos.close(w); os.read(r, 1)\n")     # its signal waits until a call lets it in
WHY = [
    ("wants-more", IN_ALL.format(18), "s.send(bytes(8)); s.recv(1)", "The server asked recv for 18 bytes on connection 1, has got 8, and waits in read for the other 10. The client "
     "has written 8 bytes there in all, and waits in read, too. No FIN has come, either: if the server reads until the end of the stream, the client must end its sending "
     "(shutdown with SHUT_WR, or close)."),
    ("wants-more", "c.recv(8, socket.MSG_WAITALL)", "s.send(bytes(3)); s.recv(1)", "The server asked recv for 8 bytes on connection 1 with MSG_WAITALL, has got 3, and waits in read for "
     "the other 5. The client has written 3 bytes there in all, and waits in read, too."),
    ("wants-more", LENGTH, "s.send(struct.pack('<I', 5)); s.send(bytes(5)); s.recv(1)", "The 4 bytes that it read before (05 00 00 00) are 83,886,080 in network byte order, and 5 in the "
     "other order: is one htonl() or ntohl() missing, or one too many?"),
    ("no-newline", IN_ALL.format(18), "s.send(b'Hello ov'); s.recv(1)", "If it goes on only when it has all the 18 bytes that it asked for, 10 are missing."),
    ("no-write", "select.select([c], [], [])\nc.recv(9)\nselect.select([c], [], [])", "s.send(b'ping\\n'); s.recv(1)", "The server has read 5 bytes on connection 1, the last one a newline, has called no write "
     "there, and waits in select; no FIN has come. The client waits in read for an answer."),
    ("no-write", "select.select([c], [], [])\nc.recv(9)\nselect.select([c], [], [])", "s.send(b'ping'); s.recv(1)", "The server has read 4 bytes on connection 1, has called no write "
     "there, and waits in select; no FIN has come."),
    ("shared-reads", "threading.Thread(target=c.recv, args=(9,)).start(); c.recv(9)", "s.recv(1)", "2 threads of the server wait in read on connection 1. Which of them gets which bytes is luck."),
    ("deadlock", "threading.Thread(target=c.recv, args=(9,)).start(); c.recv(9)", "s.recv(1)", "2 threads of the server wait in read on connection 1. The client waits in read on connection 1;"),
    ("wrong-descriptor", "c.recv(1)", "os.close(s.fileno()); s.send(b'x')", "The client's send is on descriptor 3, which it had closed before. It failed with EBADF."),
    ("wrong-descriptor", "ctypes.CDLL(None).recv(0, bytes(1), 1, 0)", "s.recv(1)", "The server's recv is on descriptor 0, which is no socket (0 is the standard input). It failed with "
     "ENOTSOCK. accept had returned 4: that is the descriptor of connection 1."),
    ("wrong-descriptor", "c.recv(1)", "ctypes.CDLL(None).send(-1, b'x', 1, 0)", "The client's send is on descriptor -1, which is none. It failed with EBADF."),
    ("wrong-descriptor", "ctypes.CDLL(None).close(77)\nl.accept()", "s.recv(1)", "The server's close is on descriptor 77, which is not open. It failed with EBADF. The server still has connection 1 when the run is over."),
    ("ended-early", "c.setsockopt(1, 20, struct.pack('=qq', 0, 2000000))", "s.recv(1)", "failed with EDOM. EDOM: the microseconds (tv_usec) must be fewer than 1,000,000, which are a second."),
    ("ended-early", "c.setsockopt(1, 20, bytes(4))", "s.recv(1)", "failed with EINVAL. EINVAL: SO_RCVTIMEO wants a struct timeval, which has 16 bytes, and the call names a length of 4."),
    ("ended-early", "import signal; signal.signal(17, signal.SIG_IGN)\nos.waitpid(os.fork() or os._exit(0), 0)", "s.recv(1)", "Its wait for a child process failed with ECHILD, because it ignores SIGCHLD: then a child process "
     "that ends leaves nothing to wait for."),
    ("own-shutdown", "c.recv(9); c.recv(9)", "s.shutdown(0); s.recv(1); s.send(b'x')", "The client's recv on connection 1 returned 0, the end of the stream. The server had sent no FIN: the client "
     "itself had shut down the receiving there (SHUT_RD)."),
    ("udp-to-tcp", "c.recv(1)", "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9000))", "The client sent to 127.0.0.1:9000 by UDP: its socket is one of SOCK_DGRAM. The server "
     "listens on 127.0.0.1:9000 for TCP. UDP and TCP have ports of their own, so nothing of that comes to the listener."),
    ("address-family", "c.recv(1)", "t = socket.socket(); ctypes.CDLL(None).connect(t.fileno(), bytes(16), 16)", "The client's connect names an address of AF_UNSPEC (0)."),
    ("address-family", "c.recv(1)", "t = socket.socket(socket.AF_INET6); ctypes.CDLL(None).connect(t.fileno(), bytes((2, 0, 35, 40, 127, 0, 0, 1)) + bytes(8), 16)",
     "The client's connect names an address of AF_INET, which is not the family of its socket: it failed with EINVAL."),
    ("asked-nothing", "ctypes.CDLL(None).recv(c.fileno(), bytes(1), 0, 0)", "s.send(b'x')", "The server's recv on connection 1 asked for 0 bytes, so it returned 0 at once. That 0 is not the end of the stream."),
    ("asked-nothing", "c.recv(1)", "s.send(b'')", "The client's send on connection 1 asked for 0 bytes, so it returned 0 at once. It sent nothing."),
    ("eagain-then-close", "__import__('fcntl').fcntl(c, 4, os.O_NONBLOCK)\ntry: c.recv(1)\nexcept BlockingIOError: c.close()", "s.recv(1)", "The server's recv on connection 1 failed with "
     "EAGAIN: nothing had come yet, and the call did not wait, because its descriptor had been set to O_NONBLOCK. Then the server closed the connection."),
    ("low-water", "c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 9); c.recv(9)", "s.send(b'x'); s.recv(1)", "The server had set SO_RCVLOWAT to 9 on connection 1"),
    ("eagain-then-close", "c.setblocking(False)\ntry: c.recv(1)\nexcept BlockingIOError: os.close(os.dup(2)); c.close()", "s.recv(1)", "Then the server closed the connection."),
    ("deadlock", "p = select.poll(); p.register(c, select.POLLPRI)\np.poll()", "s.send(b'x'); s.recv(1)", "That poll looks at descriptor 4, which is connection 1, but the events that it "
     "asks for lack POLLIN: it does not wait for bytes to read there."),
    ("unread-at-end", "threading.Thread(target=l.accept).start(); l.accept()", "s.send(b'x'); s.recv(1)", "2 threads of the server wait in accept."),
    ("unread-at-end", "select.select([l], [], [])", "s.send(b'x'); s.recv(1)", "That select does not look at descriptor 4, which is connection 1."),
    ("unread-at-end", "r = [l]\nselect.select(r, [c], [])\nselect.select(r, [], [])", "s.send(b'x'); s.recv(1)", "select leaves only what was ready in its sets, so they must be filled anew "
     "before each call."),
    ("interrupted", CHILD_ENDS + "ctypes.CDLL(None).ppoll(struct.pack('ihh', l.fileno(), 1, 0), 1, None, bytes(128))", "pass", "A signal interrupted the "
     "server's poll, which failed with EINTR; it did not call it again. A child process of the server had just ended, and that sends SIGCHLD. "
     "The kernel restarts no poll that a signal has ended"),
    ("unreachable", "c.recv(1)", "socket.create_connection(('10.1.2.3', 80))", "The client asked for 10.1.2.3:80, and its kernel knows no way there (ENETUNREACH). The programs run in a network "
     "of their own"),
    ("unreachable", "socket.create_server(('10.1.2.3', 80))", "pass", "The server could not bind 10.1.2.3:80: EADDRNOTAVAIL. 10.1.2.3 is no address of this network."),
    ("spin", "p = select.poll(); p.register(c, 0); c.shutdown(1)\nwhile True: p.poll()", "s.close()", "Each poll returned at once because something that it looks at is ready (POLLHUP), and stays "
     "so until the program acts on it. POLLHUP says that something in the list has hung up"),
    ("spin", "while True: select.select([c], [c], [])", "s.recv(1)", "(writefds), and stays so until the program acts on it. A write would return at once there."),
]
NOT_SO = [
    ("wants-more", "c.recv(18); c.recv(18)", "s.send(bytes(8)); s.recv(1)"),
    ("wants-more", IN_ALL.format(8) + "c.recv(1)", "s.send(bytes(8)); s.recv(2); s.recv(1)"),
    ("no-write", "c.recv(9); c.send(b'a'); select.select([c], [], [])", "s.send(b'ping\\n'); s.recv(1); s.recv(1)"),
    ("no-write", "c.recv(9); select.select([c, l], [], [])", "s.send(b'ping\\n'); input()"),        # the client waits for a person
    ("shared-reads", "c.recv(9)", "s.recv(1)"),
    ("wrong-descriptor", "c.recv(1)", "s.close()"),
    ("wrong-descriptor", "d = os.dup(c.fileno()); os.close(d); ctypes.CDLL(None).close(d); c.recv(1)", "s.recv(1)"),     # it was closed before, and nothing came of that
    ("asked-nothing", "c.recv(1); c.recv(1)", "s.send(b'x')"),
    ("eagain-then-close", "c.settimeout(0.1)\ntry: c.recv(1)\nexcept TimeoutError: c.close()", "s.recv(1)"),
    ("interrupted", "import signal; signal.signal(17, lambda *a: None)\nif os.fork() == 0: os._exit(0)\nl.accept()", "time.sleep(0.1)"),     # it calls it again
    ("unreachable", "c.recv(1)", "socket.create_connection(('127.0.0.1', 9001))"),
    ("own-shutdown", "c.close()", "s.recv(1); s.shutdown(2) if 0 else s.recv(1)"),
    ("udp-to-tcp", "c.recv(1)", "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9001))"),
    ("address-family", "c.recv(1)", "s.close()"),
    ("address-family", "c.recv(1)", "t = socket.socket(); ctypes.CDLL(None).connect(t.fileno(), bytes((2, 0, 35, 40)), 4)"),    # EINVAL: it is too short
]


def why(tmp_path, server, client, **how):
    made = run(tmp_path, [script(tmp_path, "srv.py", SERVES + server)], [script(tmp_path, "cli.py", ASKS_FOR + client)], **how)
    return {one.code: one.words for one in findings.find(made)}


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("code, server, client, words", WHY)
def test_the_cause_is_told(tmp_path, code, server, client, words):
    assert words in why(tmp_path, server, client).get(code, "")


@pytest.mark.parametrize("code, server, client", NOT_SO)
def test_a_cause_that_is_not_there_is_not_told(tmp_path, code, server, client):
    assert code not in why(tmp_path, server, client)


@pytest.mark.parametrize("asked, told", [(18, True), (1023, False), (4096, False)])
def test_the_size_of_a_buffer_is_no_message_that_is_missing(tmp_path, asked, told):
    assert ("are missing" in why(tmp_path, IN_ALL.format(asked), "s.send(b'Hello ov'); s.recv(1)")["no-newline"]) is told


def test_a_close_under_a_read_of_another_thread_sends_no_fin(tmp_path):
    made = pairs.run(tmp_path, "connect; readall 1", "listen; accept; thread; readall 1; end; pause 1; hush; exit 0")
    assert [one.words.partition(" there.")[0] for one in findings.find(made) if one.code == "closed-under-a-read"] == [
        "The server closed connection 1 while another thread of it waited in read"]


def test_a_number_in_the_right_order_is_not_called_swapped(tmp_path):
    assert "byte order" not in why(tmp_path, LENGTH, "s.send(struct.pack('!I', 500)); s.send(bytes(5)); s.recv(1)")["wants-more"]


def test_a_deadlock_of_two_writers_is_told_once(tmp_path):
    told = why(tmp_path, "c.sendall(bytes(50_000_000))", "s.sendall(bytes(50_000_000))")
    assert list(told) == ["deadlock"] and told["deadlock"].count("which has no room for more") == 2


def test_who_died_comes_before_what_came_of_it(tmp_path):
    assert list(why(tmp_path, "c.recv(1, socket.MSG_PEEK); os.kill(os.getpid(), 11)", "s.send(b'x'); s.recv(1)"))[:2] == ["died-of-signal", "reset-by-unread"]


def test_a_udp_socket_on_that_port_takes_no_connection(tmp_path):
    server = script(tmp_path, "srv.py", "import socket\ns = socket.socket(type=socket.SOCK_DGRAM)\ns.bind(('127.0.0.1', 9000))\ns.recv(1)\n")
    made = run(tmp_path, [server], [script(tmp_path, "cli.py", ASKS_FOR)])
    assert "The server had bound a UDP socket to 127.0.0.1:9000 (SOCK_DGRAM), and that takes no TCP connections." in {f.code: f.words for f in findings.find(made)}["refused"]


def test_without_a_wire_a_reset_is_told_from_the_calls(tmp_path):
    told = why(tmp_path, "c.sendall(bytes(9)); c.recv(1)", "s.recv(4); s.close()", isolate=False)
    assert "The client had closed connection 1 before." in told["read-reset"] and "the client has read 4." in told["read-reset"]


# --- much of everything -----------------------------------------------------------------------------------------------

def test_fifty_megabytes_are_a_few_lines(tmp_path):
    server = script(tmp_path, "srv.py", "import socket\nl = socket.create_server(('127.0.0.1', 9000))\nc, _ = l.accept()\nn = 0\n"
                                        "while b := c.recv(65536): n += len(b)\nprint(n)\n")
    client = script(tmp_path, "cli.py", "import socket\ns = socket.create_connection(('127.0.0.1', 9000))\ns.sendall(bytes(50_000_000))\n")
    made = run(tmp_path, [server], [client])
    shown = standard.folded(standard.lines(made))
    assert printed(made, "server") == ["50000000"]
    assert len(shown) < 25
    more = [one for one in shown if isinstance(one, standard.More)]
    taken = sum(one.bytes for one in more) + sum(one.count for one in shown if isinstance(one, standard.Line) and one.kind == "received")
    assert taken == 50_000_000


def test_a_reader_that_goes_on_at_the_end_of_the_stream_is_a_runaway(tmp_path):
    server = script(tmp_path, "srv.py", "import socket\nl = socket.create_server(('127.0.0.1', 9000))\nc, _ = l.accept()\nwhile True: c.recv(10)\n")
    client = script(tmp_path, "cli.py", "import socket\nsocket.create_connection(('127.0.0.1', 9000)).close()\n")
    word, status, words = page.verdict(run(tmp_path, [server], [client]))
    assert (word, status) == ("runaway", 1)
    assert words.startswith("the server spins: read on connection 1 returns 0 again and again")


def hasty(tmp_path, server, client, limit=1):
    """Returns a run that is given up after a second without progress."""
    cast = brought.cast([script(tmp_path, "srv.py", server)], [script(tmp_path, "cli.py", client)], tmp_path / "built", stdin={})
    return Conductor(replace(cast, brought=replace(cast.stage, limit=limit)), Live(), keeper=pairs.lent(True)).run()


def test_a_loop_that_only_looks_at_what_came_is_a_runaway(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.stage.conductor.IDLE_CALLS", 20)       # a busy machine gives it few calls in a second
    server = "import socket\nl = socket.create_server(('127.0.0.1', 9000))\nc, _ = l.accept()\nwhile len(c.recv(9, socket.MSG_PEEK)) < 9: pass\n"
    client = "import socket\ns = socket.create_connection(('127.0.0.1', 9000))\ns.sendall(b'few')\ns.recv(1)\n"
    made = hasty(tmp_path, server, client)
    assert page.verdict(made)[:2] == ("runaway", 1)
    assert len(made.calls) < CALLS      # and not because there were too many to look at


@pytest.mark.parametrize("limit", ["s.settimeout(0.02)", "s.setsockopt(1, 20, struct.pack('=qq', 0, 20_000))"], ids=["poll", "SO_RCVTIMEO"])
def test_a_loop_that_asks_again_after_each_time_limit_is_a_runaway_if_nobody_reads(tmp_path, limit, monkeypatch):
    monkeypatch.setattr("harness.stage.conductor.ASKS", 5)
    server = "import signal, socket\nl = socket.create_server(('127.0.0.1', 9000))\nc, _ = l.accept()\nsignal.pause()\n"
    client = f"import socket, struct\ns = socket.create_connection(('127.0.0.1', 9000))\n{limit}\nwhile True:\n  try: s.send(b'x'); s.recv(1)\n  except OSError: pass\n"
    word, status, words = page.verdict(run(tmp_path, [script(tmp_path, "srv.py", server)], [script(tmp_path, "cli.py", client)]))
    assert (word, words) == ("runaway", "the client waits with a time limit again and again, 5 times and more, and nobody has read anything meanwhile")


def test_a_loop_that_asks_again_goes_on_where_reads_may_not_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.stage.conductor.ASKS", 5)
    server = "import os, signal, socket\nl = socket.create_server(('127.0.0.1', 9000))\nc, _ = l.accept()\nos.dup2(c.fileno(), 0)\nsignal.pause()\n"
    client = "import socket\ns = socket.create_connection(('127.0.0.1', 9000))\ns.settimeout(0.02)\nfor n in range(9):\n  try: s.send(b'x'); s.recv(1)\n  except OSError: pass\n"
    assert page.verdict(run(tmp_path, [script(tmp_path, "srv.py", server)], [script(tmp_path, "cli.py", client)]))[0] == "told"


def test_a_server_that_says_something_after_each_time_limit_does_not_keep_a_run_whose_clients_have_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.stage.conductor.ASKS", 5)
    server = "import select, socket\nl = socket.create_server(('127.0.0.1', 9000))\nl.accept()\nwhile True:\n  select.select([l], [], [], 0.02)\n  print('tick')\n"
    client = "import socket\nsocket.create_connection(('127.0.0.1', 9000)).close()\n"
    assert page.verdict(run(tmp_path, [script(tmp_path, "srv.py", server)], [script(tmp_path, "cli.py", client)]))[0] == "told"


def test_a_wait_that_ends_soon_is_waited_for_though_another_one_is_long(tmp_path):
    client = ("import socket, threading\nthreading.Thread(target=threading.Event().wait, args=(99,), daemon=True).start()\n"
              "s = socket.create_connection(('127.0.0.1', 9000), timeout=0.5)\ntry: s.recv(1)\nexcept TimeoutError: print('gave up')\n")
    made = hasty(tmp_path, SERVING, client, limit=10)
    assert (page.verdict(made)[0], printed(made, "client")) == ("told", ["gave up"])


@pytest.mark.parametrize("ends", ["os.pipe()", "(os.eventfd(0),) * 2"])
def test_what_threads_of_one_program_tell_each_other_is_no_progress(tmp_path, ends):
    if "eventfd" in ends and not hasattr(os, "eventfd"):
        pytest.skip("this Python has no eventfd")
    client = (f"import os, select, socket, threading, time\ns = socket.create_connection(('127.0.0.1', 9000))\nr, w = {ends}\n"
              "def tick():\n    while True:\n        time.sleep(0.05)\n        os.write(w, bytes(7) + b'1')\nthreading.Thread(target=tick, daemon=True).start()\n"
              "while s not in select.select([s, r], [], [])[0]:\n    os.read(r, 8)\n")
    made = hasty(tmp_path, SERVING, client)
    assert page.verdict(made)[0] == "idle"


def test_three_hundred_lines_of_output_are_all_there(tmp_path):
    made = run(tmp_path, [], [script(tmp_path, "cli.py", "for n in range(300): print('line', n)\n")])
    assert printed(made, "client") == [f"line {n}" for n in range(300)]


def test_a_flood_of_output_is_cut_and_the_run_goes_on(tmp_path):
    made = run(tmp_path, [], [script(tmp_path, "cli.py", "for n in range(40): print('x' * 65535)\n")])
    assert page.verdict(made)[0] == "told" and made.endings[0].how == "exit 0"
    assert 900_000 < sum(len(one.text) for one in made.outputs) <= 1 << 20
    assert any("is not kept" in note for note in made.notes)


def test_an_unfinished_line_of_a_killed_program_is_shown(tmp_path):
    made = run(tmp_path, [], [script(tmp_path, "cli.py", "import signal, sys\nprint('who? ', end='', flush=True)\nsignal.pause()\n")])
    assert printed(made, "client") == ["who? "]


def test_what_holds_for_several_connections_is_told_once(tmp_path):
    server = "import socket\nl = socket.create_server(('127.0.0.1', 5000))\nfor n in range(3):\n    c = l.accept()[0]\n    c.recv(1)\n    c.close()\n"
    client = "import socket\nfor n in range(3):\n    s = socket.create_connection(('127.0.0.1', 5000))\n    s.send(b'four')\n    try: s.recv(1)\n    except OSError: s.close()\n"
    made = run(tmp_path, [script(tmp_path, "srv.py", server)], [script(tmp_path, "cli.py", client)])
    told = " ".join(page.ending(made, findings.find(made), width=100, fold=False, colour=False))
    assert told.count("bytes lay unread in its kernel") == 1 and "The same holds for connection 2 and connection 3." in told


def test_a_crash_is_a_crash_and_a_broken_pipe_too(tmp_path):
    dies = script(tmp_path, "cli.py", "import os\nos.abort()\n")
    assert page.verdict(run(tmp_path, [], [dies]))[:2] == ("crash", 1)
    killed = script(tmp_path, "pipe.py", "import os, signal\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)\nos.kill(os.getpid(), signal.SIGPIPE)\n")
    assert page.verdict(run(tmp_path, [], [killed])) == ("crash", 1, "the client died of SIGPIPE")


def test_a_child_that_wrote_to_a_pipe_without_a_reader_is_no_crash(tmp_path):
    """As in `echo hello | nc host port`, if nc has ended before: the shell's child has no part in the connection."""
    made = run(tmp_path, [], [script(tmp_path, "sh.py", "import os, signal\nr, w = os.pipe()\nos.close(r)\nif os.fork() == 0:\n"
                                                        "    signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n    os.write(w, b'x')\nos.wait()\n")])
    assert page.verdict(made)[0] == "told" and [one.how for one in made.children] == ["signal PIPE"]
    assert [(one.lesson, one.remark) for one in findings.find(made) if one.code == "sigpipe"] == [("", True)]


# --- the command line -------------------------------------------------------------------------------------------------

def test_clients_start_one_after_the_other_once_all_servers_listen(tmp_path):
    server = script(tmp_path, "srv.py", "import socket, sys\nl = socket.create_server(('127.0.0.1', int(sys.argv[1])))\nwhile True: l.accept()\n")
    client = script(tmp_path, "cli.py", "import socket, sys\nsocket.create_connection(('127.0.0.1', int(sys.argv[1]))).recv(1)\n")
    made = run(tmp_path, [f"{server} 9000", f"{server} 9001"], [f"{client} 9001", f"{client} 9000", f"{client} 9001"])
    assert [one.who for one in made.starts] == ["server", "server-2", "client", "client-2", "client-3"]
    assert [one.opener.who for one in made.connections] == ["client", "client-2", "client-3"]


def test_a_client_whose_server_never_listens_is_started_all_the_same(tmp_path):
    made = run(tmp_path, ["true"], [script(tmp_path, "cli.py", "import socket\nsocket.create_connection(('127.0.0.1', 9000))\n")])
    assert "connect to 127.0.0.1:9000: ECONNREFUSED" in texts(made, "client")


def test_settings_before_the_program_are_its_environment(tmp_path):
    made = run(tmp_path, [], ["GREETING='two words' sh -c 'echo \"$GREETING {host} {server}\"'"])
    assert printed(made, "client") == ["two words {host} {server}"]


@pytest.mark.parametrize("command, words", [
    ("nosuch 1", "there is no program 'nosuch'"), ("", "names no program"), ("'x", "a quote is not closed"), (".", "is a folder"),
    ("nosuch.c", "there is no file nosuch.c"), ("ls;pwd", "sh -c"),
])
def test_what_cannot_be_started_is_told_in_one_line(tmp_path, command, words):
    with pytest.raises(brought.BadCommand) as refused:
        brought.cast([command], [], tmp_path, stdin={})
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_that_is_not_executable_is_told_with_the_remedy(tmp_path):
    (tmp_path / "srv.py").write_text("pass\n")
    with pytest.raises(brought.BadCommand, match="python3 "):
        brought.cast([f"{tmp_path}/srv.py 9000"], [], tmp_path / "built", stdin={})


def test_options_for_programs_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(brought.BadCommand, match="there are server"):
        brought.cast(["true"], [], tmp_path, stdin={"client": given(tmp_path, "")})
    with pytest.raises(brought.BadCommand, match="is no file"):
        brought.cast(["true"], [], tmp_path, stdin={"server": str(tmp_path / "none")})


RELAY = """import select, socket
front = socket.create_server(('127.0.0.1', 9001))
back = socket.create_connection(('127.0.0.1', 9000))
conn, _ = front.accept()
select.select([conn, back], [], [])
"""
SILENT = "import socket, sys\nl = socket.create_server(('127.0.0.1', 9000))\nc, _ = l.accept()\n{}\n"
ASKS = "import socket\nsocket.create_connection(('127.0.0.1', 9001)).recv(1)\n"


@pytest.mark.parametrize("waits, word", [("c.recv(1)", "deadlock"), ("input()", "idle")])
def test_a_relay_is_stuck_only_if_both_of_its_ends_are(tmp_path, waits, word):
    servers = [script(tmp_path, "srv.py", SILENT.format(waits)), script(tmp_path, "relay.py", RELAY)]
    assert page.verdict(run(tmp_path, servers, [script(tmp_path, "cli.py", ASKS)]))[0] == word


def test_a_sleep_until_a_point_in_time_is_told_as_what_was_asked_for(tmp_path):
    client = script(tmp_path, "cli.py", "import ctypes, time\nclass At(ctypes.Structure): _fields_ = [('s', ctypes.c_long), ('ns', ctypes.c_long)]\n"
                                        "now = time.clock_gettime_ns(1) + 200_000_000\nctypes.CDLL(None).clock_nanosleep(1, 1, ctypes.byref(At(*divmod(now, 10**9))), None)\n")
    made = Conductor(brought.cast([], [client], tmp_path / "built", stdin={}), Live(), keeper=pairs.lent(True)).run()
    limits = [call.limit for call in made.calls if call.name == "clock_nanosleep"]
    assert limits and limits[0] % 1_000_000 == 0 and 0 < limits[0] <= 200_000_000


def test_a_poll_with_a_limit_looks_at_its_descriptors_where_programs_are_held(tmp_path):
    server = script(tmp_path, "srv.py", "import socket\nl = socket.create_server(('127.0.0.1', 9000))\nc, _ = l.accept()\nc.sendall(c.recv(9))\n")
    client = script(tmp_path, "cli.py", "import socket\ns = socket.create_connection(('127.0.0.1', 9000), timeout=20)\ns.sendall(b'x')\nprint(s.recv(9))\n")
    made = Conductor(brought.cast([server], [client], tmp_path / "built", stdin={}), schedules.Delays()).run()
    assert printed(made, "client") == ["b'x'"]


def test_exploring_holds_at_calls_and_shows_both_ends_of_a_race(tmp_path):
    """A server that closes at once: a client that writes before reads EOF; one that writes after is reset."""
    server = script(tmp_path, "srv.py", "import socket\nl = socket.create_server(('127.0.0.1', 9000))\nc, _ = l.accept()\nc.close()\n")
    client = script(tmp_path, "cli.py", "import socket\ns = socket.create_connection(('127.0.0.1', 9000))\n"
                                        "try: print('sent', s.send(b'x')), print(s.recv(1))\nexcept OSError as e: print(e.errno)\n")
    cast = brought.cast([server], [client], tmp_path / "built", stdin={})
    found = schedules.explore(cast, limit=60)
    told = page.outcomes(found, "COMMAND --step")
    assert len(found.groups) > 1 and found.left == 0
    assert any("recv: ECONNRESET" in line for line in told) and any("EOF" in line for line in told)
    assert any(line.startswith("  SCHEDULE=") and line.endswith(" COMMAND --step") for line in told)


@pytest.mark.parametrize("wait", ["l.setblocking(False)", "l.settimeout(0.05)"], ids=["spins", "polls with a limit"])
def test_a_delay_ends_when_the_others_only_make_calls_that_bring_nothing(tmp_path, wait):
    """Else the client would be held for as long as the run may last."""
    server = script(tmp_path, "srv.py", f"import socket\nl = socket.create_server(('127.0.0.1', 9000))\n{wait}\nwhile True:\n"
                                        "    try: c = l.accept()[0]; break\n    except OSError: pass\nc.sendall(b'hello')\n")
    client = script(tmp_path, "cli.py", "import socket\ns = socket.create_connection(('127.0.0.1', 9000))\nprint(s.recv(9))\n")
    cast = brought.cast([server], [client], tmp_path / "built", stdin={})
    place = schedules.Place("client", "connect(3)", 1)
    made = schedules.Job(cast, None, False, True).attempt((place,))
    assert place in made.places
    assert made.outcome.stop == "over" and dict(made.outcome.lines)["client"][-1] == "b'hello'"
    again = Conductor(cast, schedules.Delays((place,)), keeper=pairs.lent()).run()      # as SCHEDULE=... repeats it
    assert again.stop.kind == "over" and printed(again, "client") == ["b'hello'"]
