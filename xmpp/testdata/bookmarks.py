"""Bookmarks are set with slixmpp in one form and read in the others, and its +notify tells of a change made in another
form. Usage: bookmarks.py HOST PORT CERTIFICATE; prints "done" at the end."""
import asyncio
import sys
import time

import slixmpp
from slixmpp.plugins.xep_0048 import Bookmarks
from slixmpp.xmlstream import ET

ITEMS = "urn:xmpp:bookmarks:1"


class Person(slixmpp.ClientXMPP):
    def __init__(self, resource, certificate):
        super().__init__("anna@example.org/" + resource, "Secret12")
        self.ca_certs = certificate
        self.ready = asyncio.get_event_loop().create_future()
        for plugin in ("xep_0030", "xep_0048", "xep_0049", "xep_0060", "xep_0115", "xep_0163", "xep_0223"):
            self.register_plugin(plugin)
        self.told = asyncio.Queue()
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("pubsub_publish", self.told.put_nowait)

    async def begin(self, _):
        self["xep_0163"].add_interest(ITEMS)
        await self.get_roster()
        self.send_presence()
        self.ready.set_result(None)

    async def tells(self, node, seconds):
        """Waits for an event of a node."""
        try:
            while True:
                told = await asyncio.wait_for(self.told.get(), seconds)
                if told["pubsub_event"]["items"]["node"] == node:
                    return told
        except asyncio.TimeoutError:
            return None


def conferences(bookmarks):
    return {str(c["jid"]): (c["name"], c["nick"], bool(c["autojoin"])) for c in bookmarks["conferences"]}


async def main(host, port, certificate):
    old, new = people = [Person(resource, certificate) for resource in ("old", "new")]
    for person in people:
        person.connect((host, int(port)))
        await person.ready

    told = None
    while told is None:  # until the server knows what the other client wants to be told of
        bookmarks = Bookmarks()
        bookmarks.add_conference("hall@rooms.example.org", "Anna", name=f"The hall {time.monotonic()}", autojoin=True)
        bookmarks.add_conference("attic@rooms.example.org", "Anna", name="Attic")
        await old["xep_0048"].set_bookmarks(bookmarks, method="xep_0049")
        told = await new.tells(ITEMS, 1)
    hall = conferences(bookmarks)["hall@rooms.example.org"]
    found = await old["xep_0048"].get_bookmarks(method="xep_0223")
    payload = found["pubsub"]["items"]["item"]["bookmarks"]
    assert conferences(payload) == conferences(bookmarks), found

    items = await new["xep_0060"].get_items("anna@example.org", ITEMS)
    rooms = {item["id"]: item["payload"] for item in items["pubsub"]["items"]}
    assert set(rooms) == {"hall@rooms.example.org", "attic@rooms.example.org"}, items
    assert rooms["hall@rooms.example.org"].get("autojoin") == "true", items

    cellar = ET.fromstring("<conference xmlns='urn:xmpp:bookmarks:1' name='Cellar' autojoin='true'><nick>Annie</nick></conference>")
    await new["xep_0060"].publish("anna@example.org", ITEMS, id="cellar@rooms.example.org", payload=cellar)
    await new["xep_0060"].retract("anna@example.org", ITEMS, "attic@rooms.example.org", notify=True)
    found = await old["xep_0048"].get_bookmarks(method="xep_0049")
    assert conferences(found["private"]["bookmarks"]) == {
        "hall@rooms.example.org": hall, "cellar@rooms.example.org": ("Cellar", "Annie", True)}, found

    for person in people:
        await person.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 30))
