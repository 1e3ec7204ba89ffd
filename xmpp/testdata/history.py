"""Two people talk, one reads the conversation again page by page, from both ends, and then blocks the
other. Usage: history.py HOST PORT CERTIFICATE; prints "done" at the end."""
import asyncio
import sys

import slixmpp
from slixmpp.exceptions import IqError


class Person(slixmpp.ClientXMPP):
    def __init__(self, login, certificate):
        super().__init__(login + "@example.org/slix", "Secret12")
        self.ca_certs = certificate
        self.ready = asyncio.get_event_loop().create_future()
        self.messages, self.errors, self.blocked = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
        for plugin in ("xep_0030", "xep_0059", "xep_0191", "xep_0297", "xep_0313", "xep_0359"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("message", self.messages.put_nowait)
        self.add_event_handler("message_error", self.errors.put_nowait)
        self.add_event_handler("blocked", self.blocked.put_nowait)

    async def begin(self, _):
        await self.get_roster()
        self.send_presence()
        self.ready.set_result(None)


def bodies(results):
    return [m["mam_result"]["forwarded"]["stanza"]["body"] for m in results]


async def main(host, port, certificate):
    anna, ben = Person("anna", certificate), Person("ben", certificate)
    for person in (anna, ben):
        person.connect((host, int(port)))
        await person.ready

    texts = [f"Text <{n}>" for n in range(25)]
    ids = []
    for text in texts:
        anna.send_message("ben@example.org", text, mtype="chat")
        message = await ben.messages.get()
        assert message["body"] == text, message
        assert message["stanza_id"]["by"] == "ben@example.org", message
        ids.append(message["stanza_id"]["id"])
    assert ids == sorted(ids)

    info = await ben["xep_0030"].get_info("ben@example.org")
    assert "urn:xmpp:mam:2" in info["disco_info"]["features"], info

    read = []
    async for page in ben["xep_0313"].retrieve(with_jid="anna@example.org", iterator=True, rsm={"max": 10}):
        found = page["mam"]["results"]
        assert len(found) <= 10
        assert [m["mam_result"]["id"] for m in found] == ids[len(read):len(read) + len(found)]
        read += bodies(found)
    assert read == texts, read

    read = []
    async for page in ben["xep_0313"].retrieve(iterator=True, reverse=True, rsm={"max": 10}):
        read = bodies(page["mam"]["results"]) + read
    assert read == texts, read

    async for m in anna["xep_0313"].iterate(with_jid="ben@example.org", total=3):
        assert m["mam_result"]["forwarded"]["stanza"]["from"].full == "anna@example.org/slix", m

    assert list((await anna["xep_0191"].get_blocked())["blocklist"]["items"]) == []
    await anna["xep_0191"].block("ben@example.org")
    await anna.blocked.get()
    ben.send_message("anna@example.org", "Are you there?", mtype="chat")
    assert (await ben.errors.get())["error"]["condition"] == "service-unavailable"
    listed = (await anna["xep_0191"].get_blocked())["blocklist"]["items"]
    assert [str(j) for j in listed] == ["ben@example.org"], listed
    await anna["xep_0191"].unblock("ben@example.org")
    ben.send_message("anna@example.org", "And now?", mtype="chat")
    assert (await anna.messages.get())["body"] == "And now?"

    try:
        await ben["xep_0313"].retrieve(rsm={"max": 5, "after": "nonsense"})
    except IqError as e:
        assert e.condition == "item-not-found", e
    else:
        raise AssertionError("an unknown ID is accepted")

    for person in (anna, ben):
        await person.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 30))
