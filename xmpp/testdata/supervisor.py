"""A supervisor and somebody supervised, with slixmpp: contacts without asking, the commands, and what is refused.
Usage: supervisor.py HOST PORT CERTIFICATE; prints "done" at the end."""
import asyncio
import sys

import slixmpp
from slixmpp.exceptions import IqError

COMMAND = "urn:rolecall:command:"


class Person(slixmpp.ClientXMPP):
    def __init__(self, login, certificate):
        super().__init__(login + "@example.org/slix", "Secret12")
        self.ca_certs = certificate
        self.ready = asyncio.get_event_loop().create_future()
        self.seen = asyncio.Queue()
        for plugin in ("xep_0004", "xep_0030", "xep_0050"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("presence", self.seen.put_nowait)

    async def begin(self, _):
        await self.get_roster()
        self.send_presence()
        self.ready.set_result(None)

    async def sees(self, jid, show, status):
        while True:
            p = await self.seen.get()
            if p["from"].full == jid and p["show"] == show and p["status"] == status:
                return

    async def nodes(self):
        commands = await self["xep_0050"].get_commands("example.org")
        return {item[1] for item in commands["disco_items"]["items"]}

    async def run(self, node, *steps):
        """Runs a command with one form after the other and returns the last answer."""
        got = await self["xep_0050"].send_command("example.org", COMMAND + node)
        for values in steps:
            form = self["xep_0004"].make_form(ftype="submit")
            for var, value in values.items():
                form.add_field(var=var, value=value)
            got = await self["xep_0050"].send_command(
                "example.org", COMMAND + node, sessionid=got["command"]["sessionid"], payload=form)
        return got["command"]


async def refused(step):
    try:
        await step
    except IqError as error:
        assert error.condition == "forbidden", error
        return error
    raise AssertionError("it was not refused")


async def main(host, port, certificate):
    anna, dora = Person("anna", certificate), Person("dora", certificate)
    for person in (anna, dora):
        person.connect((host, int(port)))
        await person.ready

    item = dora.client_roster["anna@example.org"]
    assert item["subscription"] == "to" and item["groups"] == ["Supervised"], item
    assert "dora@example.org" not in anna.client_roster, anna.client_roster
    await dora.sees("anna@example.org/slix", "", "")
    anna.send_presence(pshow="away", pstatus="tea")
    await dora.sees("anna@example.org/slix", "away", "tea")

    assert not [n for n in await anna.nodes() if "supervise" in n]
    await refused(anna.run("supervise-team"))
    assert COMMAND + "supervise-team" in await dora.nodes()
    done = await dora.run("supervise-team", {"user": "anna"}, {"action": "pause", "team": "3", "reason": "Break"})
    assert done["status"] == "completed" and "pause 11 3 Break" in done.xml.find(
        "{http://jabber.org/protocol/commands}note").text, done

    other = await refused(dora.run("supervise-team", {"user": "carl"}))
    nobody = await refused(dora.run("supervise-team", {"user": "nobody"}))
    alike = [str(e.iq["error"]) for e in (other, nobody)]
    assert alike[0] == alike[1], alike

    calls = await dora.run("supervise-calls")
    assert calls["form"].get_items() if hasattr(calls["form"], "get_items") else calls["form"]["items"], calls
    seen = await anna.run("who-sees", {"which": "seen-by"})
    assert "supervision by role Heads" in str(seen), seen
    for person in (anna, dora):
        await person.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 50))
