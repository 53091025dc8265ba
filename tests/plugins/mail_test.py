#!/usr/bin/python3
"""The plugin smtp through travd, isolated, against aiosmtpd: a mail server that nobody here wrote, with STARTTLS, with TLS from
the start and without any, whose certificate travd trusts in a mount namespace of this test alone.

    mail_test.py BUILD

Ends with 77 and says what is missing where it cannot run."""

import base64
import email
import email.policy
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import unittest

ROOTS = "/etc/ssl/certs/ca-certificates.crt"
USER, PASSWORD = "ci@example.com", "s3cret pass"
BUILD = pathlib.Path()
FOLDER = pathlib.Path()


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


try:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult
except ImportError:
    skip("python3-aiosmtpd is not installed")

from host import Host  # noqa: E402


class Mailbox:
    """What one server was given: the envelope, and the mail as Python's parser reads it."""

    def __init__(self):
        self.taken = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        self.taken.append((session.authenticated, session.host_name, envelope.mail_from, envelope.rcpt_tos,
                           email.message_from_bytes(envelope.content, policy=email.policy.default)))
        return "250 kept as " + str(len(self.taken))


def authenticator(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "root.pem"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "root.pem", folder / "key.pem")
    return context


class Server(Controller):
    """On a port that the system chooses."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def server(mailbox, **how):
    controller = Server(mailbox, hostname="127.0.0.1", port=0, ready_timeout=60, **how)
    controller.start()
    return controller


class Mail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        context = certificate(FOLDER)
        subprocess.run(["mount", "--bind", FOLDER / "root.pem", ROOTS], check=True)
        cls.mailbox = Mailbox()
        login = {"authenticator": authenticator, "auth_required": True}
        cls.servers = {"starttls": server(cls.mailbox, tls_context=context, require_starttls=True, **login),
                       "tls": server(cls.mailbox, ssl_context=context, auth_require_tls=False, **login),
                       "plain": server(cls.mailbox)}
        cls.host = Host(BUILD, FOLDER, MAIL_PASSWORD=PASSWORD, WRONG="wrong")
        try:
            cls.host.install("smtp")
            auth = ["--auth", "basic", "--user", USER, "--secret-env"]
            for name, scheme, on, secret in (("starttls", "smtp", "starttls", "MAIL_PASSWORD"), ("tls", "smtps", "tls", "MAIL_PASSWORD"),
                                             ("wrong", "smtps", "tls", "WRONG"), ("open", "smtp", "plain", "MAIL_PASSWORD")):
                cls.host.connect(name, "smtp", cls.address(scheme, on), *auth, secret)
            cls.host.connect("plain", "smtp", cls.address("smtp", "plain"))
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def address(cls, scheme, name):
        return f"{scheme}://127.0.0.1:{cls.servers[name].port}"

    @classmethod
    def tearDownClass(cls):
        cls.host.end()
        for one in cls.servers.values():
            one.stop()

    def send(self, connection, **given):
        given = {"from": USER, "to": ["ada@example.org"], "subject": "Hello", **given}
        self.mailbox.taken.clear()
        return self.host.ended(self.host.start("smtp", connection, "send", given))

    def taken(self, instance):
        self.assertEqual(instance["status"], "completed", instance)
        self.assertEqual(len(self.mailbox.taken), 1)
        return self.mailbox.taken[0]

    def refused(self, connection, *words, **given):
        instance = self.send(connection, **given)
        self.assertEqual(instance["status"], "faulted", instance)
        for word in words:
            self.assertIn(word, str(instance["error"]))
        self.assertNotIn(PASSWORD, str(instance))
        self.assertEqual(self.mailbox.taken, [])

    def test_a_mail_with_everything_arrives_as_it_was_written(self):
        picture = bytes(range(256))
        text = "Grüße,\n.\nFrom the build\n" + "x" * 2000
        for connection in ("starttls", "tls"):
            with self.subTest(connection):
                instance = self.send(connection, from_name='Bauer "Builds" Müller', to=["ada@example.org", "ben@example.org"],
                                     cc=["cleo@example.org"], bcc=["dora@example.org"], reply_to="team@example.org",
                                     in_reply_to="<before@example.org>", subject="Größer 🙂 " + "lang " * 30, text=text, html="<p>Grüße</p>",
                                     attachments=[{"name": "Bild für Ada.png", "media_type": "image/png", "base64": base64.b64encode(picture).decode()},
                                                  {"name": "a.csv", "media_type": "text/csv", "text": "a,ü\n"}])
                authenticated, said, sender, recipients, mail = self.taken(instance)
                self.assertTrue(authenticated)
                self.assertEqual((said, sender), ("example.com", USER))
                self.assertEqual(recipients, ["ada@example.org", "ben@example.org", "cleo@example.org", "dora@example.org"])
                self.assertEqual(mail["from"].addresses[0].display_name, 'Bauer "Builds" Müller')
                self.assertEqual([one.addr_spec for one in mail["to"].addresses], ["ada@example.org", "ben@example.org"])
                self.assertEqual(mail["subject"].strip(), ("Größer 🙂 " + "lang " * 30).strip())
                self.assertEqual((mail["reply-to"], mail["in-reply-to"]), ("team@example.org", "<before@example.org>"))
                self.assertEqual(mail["message-id"], instance["output"]["message_id"])
                self.assertNotIn("dora", mail.as_string())
                self.assertEqual(mail.get_body(("plain",)).get_content(), text.replace("\n", "\r\n"))
                self.assertEqual(mail.get_body(("html",)).get_content().strip(), "<p>Grüße</p>")
                one, two = mail.iter_attachments()
                self.assertEqual((one.get_filename(), one.get_content_type(), one.get_content()), ("Bild für Ada.png", "image/png", picture))
                self.assertEqual((two.get_filename(), two.get_payload(decode=True)), ("a.csv", "a,ü\n".encode()))
                self.assertEqual(mail.defects, [])
                self.assertEqual(instance["output"]["recipients"], 4)
                self.assertTrue(instance["output"]["reply"].startswith("kept as "))

    def test_a_relay_without_a_password_takes_mail_without(self):
        authenticated, _, sender, _, mail = self.taken(self.send("plain", text="short"))
        self.assertFalse(authenticated)
        self.assertEqual(mail.get_content(), "short")

    def test_a_server_that_refuses_is_named_with_what_it_said(self):
        self.refused("starttls", "550", "no such user here", to=["ada@example.org", "nobody@example.org"])
        self.refused("wrong", "535")

    def test_a_password_is_not_sent_without_tls(self):
        self.refused("open")


def main():
    global BUILD, FOLDER
    BUILD = pathlib.Path(sys.argv[1]).resolve()
    if len(sys.argv) > 2:
        FOLDER = pathlib.Path(sys.argv[2])
        unittest.main(argv=[sys.argv[0]], verbosity=2)
    for program in ("unshare", "openssl", "mount"):
        if subprocess.run(["which", program], stdout=subprocess.DEVNULL, check=False).returncode != 0:
            skip(f"there is no program '{program}'")
    if not os.path.exists(ROOTS):
        skip(ROOTS + " is not there; install ca-certificates")
    namespaces = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        namespaces += ["--user", "--map-root-user"]
    tried = subprocess.run([*namespaces, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        skip("no namespaces of its own can be had here: " + tried.stderr.strip())
    with tempfile.TemporaryDirectory(prefix="trv-mail-") as folder:
        sys.exit(subprocess.run([*namespaces, sys.executable, os.path.abspath(__file__), BUILD, folder], check=False).returncode)


if __name__ == "__main__":
    main()
