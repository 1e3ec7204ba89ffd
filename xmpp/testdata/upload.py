"""One person uploads a file with slixmpp and reads it back, and is refused a bigger one.
Usage: upload.py HOST PORT CERTIFICATE; prints "done" at the end."""
import asyncio
import io
import sys
import urllib.request

import slixmpp
from slixmpp.exceptions import IqError

CONTENT = bytes(range(256)) * 40


class Person(slixmpp.ClientXMPP):
    def __init__(self, certificate):
        super().__init__("anna@example.org/slix", "Secret12")
        self.ca_certs = certificate
        self.ready = asyncio.get_event_loop().create_future()
        self.register_plugin("xep_0363")
        self.add_event_handler("session_start", lambda _: self.ready.set_result(None))
        self.add_event_handler("failed_all_auth", lambda _: self.ready.set_exception(RuntimeError("not let in")))


async def main(host, port, certificate):
    anna = Person(certificate)
    anna.connect((host, int(port)))
    await anna.ready
    # Its own search for the service fails with Python 3.11, so it gets what it would find.
    info = (await anna["xep_0030"].get_info("example.org"))["disco_info"]
    assert any(i[:2] == ("store", "file") for i in info["identities"]), info
    assert "urn:xmpp:http:upload:0" in info["features"], info
    anna["xep_0363"].upload_service = "example.org"

    url = await anna["xep_0363"].upload_file(
        "picture.png", size=len(CONTENT), content_type="image/png", input_file=io.BytesIO(CONTENT))
    with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
        assert answer.read() == CONTENT
        assert answer.headers["Content-Type"] == "image/png", answer.headers

    try:
        await anna["xep_0363"].request_slot("example.org", "big.bin", 2 << 20, "image/png")
        raise AssertionError("a file beyond the largest size has a slot")
    except IqError as e:
        assert e.condition == "not-acceptable", e
    await anna.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 30))
