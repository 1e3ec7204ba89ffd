"""Two people log in with slixmpp, find each other in the shared group, see each other's presence and
switch a profile by ad-hoc command. Usage: colleagues.py HOST PORT CERTIFICATE; prints "done" at the end."""
import asyncio
import sys

import slixmpp


class Person(slixmpp.ClientXMPP):
    def __init__(self, login, certificate):
        super().__init__(login + "@example.org/slix", "Secret12")
        self.ca_certs = certificate  # the self-signed certificate is checked, not waved through
        self.ready = asyncio.get_event_loop().create_future()
        self.seen = asyncio.Queue()
        for plugin in ("xep_0004", "xep_0030", "xep_0050", "xep_0054", "xep_0092", "xep_0115", "xep_0199"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("failed_all_auth", lambda _: self.ready.set_exception(RuntimeError("not let in")))
        self.add_event_handler("presence", self.seen.put_nowait)
        self.messages = asyncio.Queue()
        self.add_event_handler("message", self.messages.put_nowait)

    async def begin(self, _):
        await self.get_roster()
        self.send_presence(pstatus="here")
        self.ready.set_result(None)

    async def sees(self, jid, show, status):
        """Waits for a presence."""
        while True:
            p = await self.seen.get()
            if p["from"].full == jid and p["show"] == show and p["status"] == status:
                return


async def main(host, port, certificate):
    anna, ben = Person("anna", certificate), Person("ben", certificate)
    for person in (anna, ben):
        person.connect((host, int(port)))
        await person.ready

    assert anna.client_roster["ben@example.org"]["subscription"] == "both", anna.client_roster
    assert anna.client_roster["ben@example.org"]["groups"] == ["Sales"]
    assert ben.client_roster["anna@example.org"]["name"] == "Anna Arendt"
    await anna.sees("ben@example.org/slix", "", "here")
    await ben.sees("anna@example.org/slix", "", "here")

    anna.send_message("ben@example.org", "Hello & welcome", mtype="chat")
    message = await ben.messages.get()
    assert message["body"] == "Hello & welcome" and message["from"].full == "anna@example.org/slix"

    commands = await anna["xep_0050"].get_commands("example.org")
    nodes = {item[1]: item[2] for item in commands["disco_items"]["items"]}
    assert nodes["urn:rolecall:command:profile"] == "Switch profile", nodes
    form = await anna["xep_0050"].send_command("example.org", "urn:rolecall:command:profile")
    fields = form["command"]["form"].get_fields()
    lunch = [o["value"] for o in fields["profile"]["options"] if o["label"] == "Lunch"][0]
    answer = anna["xep_0004"].make_form(ftype="submit")
    answer.add_field(var="profile", value=lunch)
    result = await anna["xep_0050"].send_command(
        "example.org", "urn:rolecall:command:profile", action="complete",
        payload=answer, sessionid=form["command"]["sessionid"])
    assert result["command"]["status"] == "completed", result
    await ben.sees("anna@example.org/slix", "away", "Out for lunch")

    card = await ben["xep_0054"].get_vcard("anna@example.org")
    assert card["vcard_temp"]["FN"] == "Anna Arendt", card
    assert ben.client_roster["team-40@example.org"]["name"] == "Support"
    team = (await ben["xep_0054"].get_vcard("team-40@example.org"))["vcard_temp"]
    assert team["FN"] == "Support" and team["DESC"] == "Members: Anna Arendt, Ben Bauer", team
    assert [n["NUMBER"] for n in team["telephone_numbers"]] == ["40"], team
    version = await ben["xep_0092"].get_version("example.org")
    assert version["software_version"]["name"] == "Rolecall", version
    assert await ben["xep_0199"].ping("example.org") is not None

    for person in (anna, ben):
        await person.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 30))
