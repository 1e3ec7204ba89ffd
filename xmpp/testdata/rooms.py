"""Three people meet in a chat room with slixmpp: it is found, made, configured, talked in, one is invited, kicked
and banned, and the room is destroyed. Usage: rooms.py HOST PORT CERTIFICATE; prints "done" at the end."""
import asyncio
import sys

import slixmpp
from slixmpp.exceptions import IqError, PresenceError

ROOM = "hall@rooms.example.org"


class Person(slixmpp.ClientXMPP):
    def __init__(self, login, certificate):
        super().__init__(login + "@example.org/slix", "Secret12")
        self.ca_certs = certificate  # the self-signed certificate is checked, not waved through
        self.ready = asyncio.get_event_loop().create_future()
        for plugin in ("xep_0004", "xep_0030", "xep_0045", "xep_0199", "xep_0249"):
            self.register_plugin(plugin)
        self.muc = self["xep_0045"]
        self.heard, self.invited, self.seen = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("failed_all_auth", lambda _: self.ready.set_exception(RuntimeError("not let in")))
        self.add_event_handler("groupchat_message", self.heard.put_nowait)
        self.add_event_handler("groupchat_direct_invite", self.invited.put_nowait)
        self.add_event_handler("groupchat_invite", self.invited.put_nowait)
        self.add_event_handler("groupchat_presence", self.seen.put_nowait)

    async def begin(self, _):
        await self.get_roster()
        self.send_presence()
        self.ready.set_result(None)

    async def sees(self, nick, typ):
        """Waits for a presence in the room."""
        while True:
            p = await self.seen.get()
            if p["from"].resource == nick and p["type"] == typ:
                return p

    async def hears(self, body):
        """Waits for a message in the room."""
        while True:
            m = await self.heard.get()
            if m["body"] == body:
                return m


async def main(host, port, certificate):
    anna, ben, carl = people = [Person(login, certificate) for login in ("anna", "ben", "carl")]
    for person in people:
        person.connect((host, int(port)))
        await person.ready

    items = await anna["xep_0030"].get_items("example.org")
    assert "rooms.example.org" in [item[0] for item in items["disco_items"]["items"]], items

    own, subject, occupants, history = await anna.muc.join_muc_wait(ROOM, "Anna", maxstanzas=0, timeout=10)
    assert 201 in own["muc"]["status_codes"], own
    form = await anna.muc.get_room_config(ROOM)
    form["type"] = "submit"
    form.set_values({"muc#roomconfig_roomname": "The hall", "muc#roomconfig_persistentroom": True, "muc#roomconfig_membersonly": True})
    await anna.muc.set_room_config(ROOM, form)
    info = await ben["xep_0030"].get_info(ROOM)
    assert {"muc_persistent", "muc_membersonly"} <= set(info["disco_info"]["features"]), info

    try:
        await ben.muc.join_muc_wait(ROOM, "Ben", timeout=10)
        raise RuntimeError("a stranger was let in")
    except PresenceError as refused:
        assert refused.condition == "registration-required", refused
    anna.muc.invite(ROOM, "ben@example.org", reason="Come in")
    assert (await ben.invited.get())["from"].bare == ROOM
    await anna.muc.set_affiliation(ROOM, affiliation="member", jid="carl@example.org")

    own, subject, occupants, history = await ben.muc.join_muc_wait(ROOM, "Ben", timeout=10)
    assert 110 in own["muc"]["status_codes"], own
    assert [p["from"].resource for p in occupants] == ["Anna", "Ben"], occupants
    anna.send_message(ROOM, "Hello & welcome", mtype="groupchat")
    for person in (anna, ben):
        assert (await person.hears("Hello & welcome"))["from"].resource == "Anna"

    own, subject, occupants, history = await carl.muc.join_muc_wait(ROOM, "Carl", timeout=10)
    assert [m["body"] for m in history] == ["Hello & welcome"], history
    anna.muc.set_subject(ROOM, "Colours")
    assert await carl["xep_0199"].ping(ROOM + "/Carl", timeout=5) is not None

    await anna.muc.set_role(ROOM, "Carl", "none", reason="out")
    gone = await carl.sees("Carl", "unavailable")
    assert 307 in gone["muc"]["status_codes"], gone
    await anna.muc.set_affiliation(ROOM, affiliation="outcast", jid="carl@example.org")
    banned = await anna.muc.get_affiliation_list(ROOM, "outcast")
    assert [str(jid) for jid in banned] == ["carl@example.org"], banned
    try:
        await ben.muc.destroy(ROOM)
        raise RuntimeError("a member destroyed the room")
    except IqError as refused:
        assert refused.condition == "forbidden", refused
    await anna.muc.destroy(ROOM, reason="over")
    await ben.sees("Ben", "unavailable")

    for person in people:
        await person.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 30))
