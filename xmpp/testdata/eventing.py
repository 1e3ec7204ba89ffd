"""Two colleagues publish with slixmpp: a tune that the other is told of because of its capabilities, an avatar
that the other finds as node, in the vCard and in presence, and bookmarks that stay private. A client that
comes later is sent the newest items. Usage: eventing.py HOST PORT CERTIFICATE; prints "done" at the end."""
import asyncio
import hashlib
import sys
from xml.etree import ElementTree as ET

import slixmpp
from slixmpp.exceptions import IqError

PICTURE = b"\x89PNG, nearly"
HASH = hashlib.sha1(PICTURE).hexdigest()


class Person(slixmpp.ClientXMPP):
    def __init__(self, login, certificate, follows):
        super().__init__(login + "@example.org/slix", "Secret12")
        self.ca_certs = certificate
        self.ready = asyncio.get_event_loop().create_future()
        for plugin in ("xep_0030", "xep_0054", "xep_0060", "xep_0115", "xep_0118", "xep_0163", "xep_0084"):
            self.register_plugin(plugin)
        self.tunes, self.avatars, self.photos = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
        if not follows:
            self["xep_0163"].remove_interest(["http://jabber.org/protocol/tune", "urn:xmpp:avatar:metadata"])
        self.add_event_handler("user_tune_publish", self.tunes.put_nowait)
        self.add_event_handler("avatar_metadata_publish", self.avatars.put_nowait)
        self.add_event_handler("presence", self.photos.put_nowait)
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("failed_all_auth", lambda _: self.ready.set_exception(RuntimeError("not let in")))

    async def begin(self, _):
        await self.get_roster()
        await self["xep_0115"].update_caps()
        self.send_presence()
        self.ready.set_result(None)

    async def sees_photo(self, jid, sha1):
        while True:
            p = await self.photos.get()
            photo = p.xml.find("{vcard-temp:x:update}x/{vcard-temp:x:update}photo")
            if p["from"].full == jid and photo is not None and photo.text == sha1:
                return


async def join(person, host, port):
    person.connect((host, int(port)))
    await person.ready


async def main(host, port, certificate):
    anna, ben = Person("anna", certificate, False), Person("ben", certificate, True)
    await join(anna, host, port)
    identities = (await anna["xep_0030"].get_info("anna@example.org"))["disco_info"]["identities"]
    assert ("pubsub", "pep", None, "Personal eventing") in identities, identities

    await anna["xep_0118"].publish_tune(artist="Bach", title="Air")
    await join(ben, host, port)
    tune = await ben.tunes.get()  # the newest, because Ben came
    assert tune["pubsub_event"]["items"]["item"]["tune"]["artist"] == "Bach", tune
    await anna["xep_0118"].publish_tune(artist="Verdi", title="Aida")
    tune = await ben.tunes.get()
    assert tune["pubsub_event"]["items"]["item"]["tune"]["title"] == "Aida", tune

    await anna["xep_0084"].publish_avatar(PICTURE)
    await anna["xep_0084"].publish_avatar_metadata([{"id": HASH, "type": "image/png", "bytes": len(PICTURE)}])
    metadata = await ben.avatars.get()
    assert metadata["pubsub_event"]["items"]["item"]["avatar_metadata"]["items"][0]["id"] == HASH, metadata
    await ben.sees_photo("anna@example.org/slix", HASH)
    data = await ben["xep_0084"].retrieve_avatar("anna@example.org", HASH)
    assert data["pubsub"]["items"]["item"]["avatar_data"]["value"] == PICTURE, data
    card = await ben["xep_0054"].get_vcard("anna@example.org")
    assert card["vcard_temp"]["PHOTO"]["BINVAL"] == PICTURE, card

    room = ET.fromstring("<conference xmlns='urn:xmpp:bookmarks:1' name='Tea' autojoin='true'/>")
    form = anna.plugin["xep_0004"].make_form("submit")
    for name, value in (("FORM_TYPE", "http://jabber.org/protocol/pubsub#publish-options"),
                        ("pubsub#access_model", "whitelist"), ("pubsub#persist_items", "1"), ("pubsub#max_items", "max")):
        form.add_field(var=name, value=value)
    for jid in ("tea@rooms.example.org", "coffee@rooms.example.org"):
        await anna["xep_0060"].publish("anna@example.org", "urn:xmpp:bookmarks:1", id=jid, payload=room, options=form)
    kept = await anna["xep_0060"].get_items("anna@example.org", "urn:xmpp:bookmarks:1")
    assert [i["id"] for i in kept["pubsub"]["items"]] == ["tea@rooms.example.org", "coffee@rooms.example.org"], kept
    try:
        await ben["xep_0060"].get_items("anna@example.org", "urn:xmpp:bookmarks:1")
        raise AssertionError("bookmarks are not private")
    except IqError as refused:
        assert refused.condition == "not-allowed", refused

    for person in (anna, ben):
        await person.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 15))
