"""Anna of one.example and Zoe of two.example, whose servers federate, with slixmpp: contacts, messages with
archive and carbons, presence with telephone and profile, avatars, vCards, a room, a block list, a server that
does not exist, and one that comes back. What only the servers' operator can do is asked for on standard output,
a line each; it is done when a line comes back. Usage: federation.py CAFILE HOST1 PORT1 HOST2 PORT2; prints "done" at the end."""
import asyncio
import hashlib
import sys

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout

ANNA, ZOE = "anna@one.example", "zoe@two.example"
ROOM = "tea@rooms.one.example"
PICTURE = b"\x89PNG, nearly"
HASH = hashlib.sha1(PICTURE).hexdigest()


class Person(slixmpp.ClientXMPP):
    def __init__(self, bare, resource, ca):
        super().__init__(bare + "/" + resource, "Secret12")
        self.ca_certs = ca
        self.ready = asyncio.get_event_loop().create_future()
        for plugin in ("xep_0030", "xep_0045", "xep_0054", "xep_0060", "xep_0084", "xep_0115", "xep_0163", "xep_0191", "xep_0199", "xep_0280", "xep_0313"):
            self.register_plugin(plugin)
        self.muc = self["xep_0045"]
        self.auto_subscribe, self.auto_authorize = False, None
        self.messages, self.presences, self.copies, self.avatars = asyncio.Queue(), asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
        self.add_event_handler("message", self.messages.put_nowait)
        self.add_event_handler("groupchat_message", self.messages.put_nowait)
        self.add_event_handler("message_error", self.messages.put_nowait)
        self.add_event_handler("presence", self.presences.put_nowait)
        self.add_event_handler("groupchat_presence", self.presences.put_nowait)
        self.add_event_handler("carbon_received", self.copies.put_nowait)
        self.add_event_handler("carbon_sent", self.copies.put_nowait)
        self.add_event_handler("avatar_metadata_publish", self.avatars.put_nowait)
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("failed_all_auth", lambda _: self.ready.set_exception(RuntimeError("not let in")))

    async def begin(self, _):
        await self.get_roster()
        await self["xep_0115"].update_caps()
        self.send_presence()
        self.ready.set_result(None)

    async def sees(self, who, kind, text=None):
        while True:
            p = await self.presences.get()
            if str(p["from"]) == who and p["type"] == kind and (text is None or p["status"] == text):
                return p

    async def hears(self, text):
        while True:
            m = await self.messages.get()
            if m["body"] == text:
                return m

    async def refused(self, id, condition):
        while True:
            m = await self.messages.get()
            if m["type"] == "error" and m["id"] == id:
                assert m["error"]["condition"] in condition, m
                return

    def say(self, to, text):
        m = self.make_message(to, text, mtype="chat")
        m.send()
        return m["id"]


async def join(bare, resource, ca, host, port):
    person = Person(bare, resource, ca)
    person.connect((host, int(port)))
    await person.ready
    return person


def operator(deed):
    print(deed, flush=True)
    return asyncio.get_event_loop().run_in_executor(None, sys.stdin.readline)


async def become_contacts(anna, zoe):
    anna.send_presence(pto=ZOE, ptype="subscribe")
    await zoe.sees(ANNA, "subscribe")
    zoe.send_presence(pto=ANNA, ptype="subscribed")
    await anna.sees(ZOE, "subscribed")
    await anna.sees(ZOE + "/far", "available")
    zoe.send_presence(pto=ANNA, ptype="subscribe")
    await anna.sees(ZOE, "subscribe")
    anna.send_presence(pto=ZOE, ptype="subscribed")
    await zoe.sees(ANNA + "/near", "available")
    await zoe.sees(ANNA + "/phone", "xa", "Unreachable")
    for person, other in ((anna, ZOE), (zoe, ANNA)):
        await person["xep_0199"].ping(person.boundjid.domain)  # what was pushed before has come
        assert person.client_roster[other]["subscription"] == "both", person.client_roster[other]


async def chat(anna, desk, zoe):
    anna.say(ZOE, "Hello far away")
    heard = await zoe.hears("Hello far away")
    assert str(heard["from"]) == ANNA + "/near", heard
    assert (await desk.copies.get())["carbon_sent"]["body"] == "Hello far away"
    zoe.say(ANNA + "/near", "Hello & welcome")
    await anna.hears("Hello & welcome")
    assert (await desk.copies.get())["carbon_received"]["body"] == "Hello & welcome"
    for person, other in ((anna, ZOE), (zoe, ANNA)):
        archive = await person["xep_0313"].retrieve(with_jid=other)
        bodies = [m["mam_result"]["forwarded"]["stanza"]["body"] for m in archive["mam"]["results"]]
        assert bodies == ["Hello far away", "Hello & welcome"], bodies


async def ask(anna, zoe):
    await anna["xep_0199"].ping("two.example")
    await anna["xep_0199"].ping(ZOE + "/far")
    features = (await zoe["xep_0030"].get_info("one.example"))["disco_info"]["features"]
    assert "urn:xmpp:ping" in features, features
    assert (await zoe["xep_0054"].get_vcard(ANNA))["vcard_temp"]["FN"] == "Anna Arendt"
    items = (await zoe["xep_0030"].get_items("one.example"))["disco_items"]["items"]
    assert "rooms.one.example" in [jid for jid, _, _ in items], items
    try:
        await anna["xep_0199"].ping("nowhere.example")
        raise AssertionError("nowhere.example answers")
    except IqError as e:
        assert e.condition == "remote-server-not-found", e
    await anna.refused(anna.say("x@nowhere.example", "Anybody?"), ["remote-server-not-found"])


async def publish(anna, zoe):
    await anna["xep_0084"].publish_avatar(PICTURE)
    await anna["xep_0084"].publish_avatar_metadata([{"id": HASH, "type": "image/png", "bytes": len(PICTURE)}])
    metadata = await zoe.avatars.get()  # because of her client's capabilities
    assert metadata["pubsub_event"]["items"]["item"]["avatar_metadata"]["items"][0]["id"] == HASH, metadata
    data = await zoe["xep_0084"].retrieve_avatar(ANNA, HASH)
    assert data["pubsub"]["items"]["item"]["avatar_data"]["value"] == PICTURE, data
    while True:
        photo = (await zoe.presences.get()).xml.find("{vcard-temp:x:update}x/{vcard-temp:x:update}photo")
        if photo is not None and photo.text == HASH:
            break


async def meet(anna, zoe):
    await anna.muc.join_muc_wait(ROOM, "Anna", timeout=10)
    await anna.muc.set_room_config(ROOM, await anna.muc.get_room_config(ROOM))
    _, _, occupants, _ = await zoe.muc.join_muc_wait(ROOM, "Zoe", timeout=10)
    assert [p["from"].resource for p in occupants] == ["Anna", "Zoe"], occupants
    await anna.sees(ROOM + "/Zoe", "available")
    zoe.send_message(ROOM, "Good day, all", mtype="groupchat")
    for person in (anna, zoe):
        assert (await person.hears("Good day, all"))["from"].resource == "Zoe"


async def main(ca, host1, port1, host2, port2):
    near, far = (ca, host1, port1), (ca, host2, port2)
    anna, zoe = await join(ANNA, "near", *near), await join(ZOE, "far", *far)
    await become_contacts(anna, zoe)
    desk = await join(ANNA, "desk", *near)
    await desk["xep_0280"].enable()
    await desk.sees(ZOE + "/far", "available")  # the other server was asked
    await chat(anna, desk, zoe)
    await desk.disconnect()
    await zoe.sees(ANNA + "/desk", "unavailable")
    await ask(anna, zoe)
    await publish(anna, zoe)
    await operator("switch anna to DND")
    await zoe.sees(ANNA + "/near", "dnd")
    await operator("switch anna to Available")
    await zoe.sees(ANNA + "/near", "available")

    await zoe["xep_0191"].block([ANNA])
    await anna.sees(ZOE + "/far", "unavailable")
    await anna.refused(anna.say(ZOE, "Are you there?"), ["service-unavailable"])
    await zoe["xep_0191"].unblock([ANNA])
    await anna.sees(ZOE + "/far", "available")
    await zoe.sees(ANNA + "/near", "available")  # asked for again

    await meet(anna, zoe)

    # The other server goes, and everybody there is seen to go; what is sent to it comes back. It returns.
    await operator("stop two")
    seen = set()
    while seen != {ROOM + "/Zoe", ZOE + "/far"}:
        p = await anna.presences.get()
        if p["type"] == "unavailable" and str(p["from"]) in (ROOM + "/Zoe", ZOE + "/far"):
            seen.add(str(p["from"]))
    await anna.refused(anna.say(ZOE, "Lost"), ["remote-server-not-found", "remote-server-timeout"])
    host2, port2 = (await operator("start two")).split()
    zoe = await join(ZOE, "far", ca, host2, port2)
    await anna.sees(ZOE + "/far", "available")
    await zoe.sees(ANNA + "/near", "available")
    zoe.say(ANNA, "I am back")
    await anna.hears("I am back")
    anna.say(ZOE, "So you are")
    await zoe.hears("So you are")
    for person in (anna, zoe):
        await person.disconnect()
    print("done", flush=True)


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 100))
