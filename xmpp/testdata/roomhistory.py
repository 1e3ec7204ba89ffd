"""What was said in a room is read again with slixmpp, page by page and by somebody who was not there. Usage: roomhistory.py
HOST PORT CERTIFICATE; prints "done" at the end."""
import asyncio
import sys

import slixmpp
from slixmpp.exceptions import IqError

ROOM = "hall@rooms.example.org"


class Person(slixmpp.ClientXMPP):
    def __init__(self, login, certificate):
        super().__init__(login + "@example.org/slix", "Secret12")
        self.ca_certs = certificate
        self.ready = asyncio.get_event_loop().create_future()
        for plugin in ("xep_0004", "xep_0030", "xep_0045", "xep_0059", "xep_0297", "xep_0313", "xep_0359"):
            self.register_plugin(plugin)
        self.heard = asyncio.Queue()
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("groupchat_message", self.heard.put_nowait)

    async def begin(self, _):
        await self.get_roster()
        self.send_presence()
        self.ready.set_result(None)


async def main(host, port, certificate):
    anna, ben = people = [Person(login, certificate) for login in ("anna", "ben")]
    for person in people:
        person.connect((host, int(port)))
        await person.ready

    own, *_ = await anna["xep_0045"].join_muc_wait(ROOM, "Anna", maxstanzas=0, timeout=10)
    assert {170, 201} <= set(own["muc"]["status_codes"]), own
    form = await anna["xep_0045"].get_room_config(ROOM)
    form["type"] = "submit"
    await anna["xep_0045"].set_room_config(ROOM, form)
    info = await ben["xep_0030"].get_info(ROOM)
    assert "urn:xmpp:mam:2" in info["disco_info"]["features"], info

    texts, ids = [f"Text <{n}>" for n in range(25)], []
    for text in texts:
        anna.send_message(ROOM, text, mtype="groupchat")
        said = await anna.heard.get()
        assert said["body"] == text and said["stanza_id"]["by"] == ROOM, said
        ids.append(said["stanza_id"]["id"])

    read = []
    async for page in ben["xep_0313"].retrieve(jid=ROOM, iterator=True, rsm={"max": 10}):
        found = page["mam"]["results"]
        assert [m["mam_result"]["id"] for m in found] == ids[len(read):len(read) + len(found)], page
        read += [m["mam_result"]["forwarded"]["stanza"]["body"] for m in found]
    assert read == texts, read

    await anna["xep_0045"].set_affiliation(ROOM, affiliation="outcast", jid="ben@example.org")
    try:
        await ben["xep_0313"].retrieve(jid=ROOM)
        raise RuntimeError("who is banned may read")
    except IqError as refused:
        assert refused.condition == "forbidden", refused

    for person in people:
        await person.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 50))
