"""Anna signs in with slixmpp and a self-signed certificate, sees her colleagues of Sales and a colleague's
telephone, and switches herself to DND by ad-hoc command. Usage: steer.py HOST PORT CERTIFICATE PASSWORD;
prints "done" at the end."""
import asyncio
import sys

import slixmpp

PROFILE = "urn:rolecall:command:profile"


class Anna(slixmpp.ClientXMPP):
    def __init__(self, certificate, password):
        super().__init__("anna@localhost/slix", password)
        self.ca_certs = certificate  # checked, not waved through
        self.ready = asyncio.get_event_loop().create_future()
        self.clara_phone = asyncio.get_event_loop().create_future()
        for plugin in ("xep_0004", "xep_0030", "xep_0050"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("failed_all_auth", lambda _: self.ready.set_exception(RuntimeError("not let in")))
        self.add_event_handler("presence", self.presence)

    async def begin(self, _):
        await self.get_roster()
        self.send_presence()
        self.ready.set_result(None)

    def presence(self, p):
        if p["from"].full == "clara@localhost/phone" and not self.clara_phone.done():
            self.clara_phone.set_result(p["priority"])


async def main(host, port, certificate, password):
    anna = Anna(certificate, password)
    anna.connect((host, int(port)))
    await anna.ready
    for colleague in ("ben", "clara"):
        item = anna.client_roster[colleague + "@localhost"]
        assert item["subscription"] == "both" and item["groups"] == ["Sales"], item
    assert "david@localhost" not in anna.client_roster, "a colleague of another department is shown"
    assert await anna.clara_phone == -1

    form = await anna["xep_0050"].send_command("localhost", PROFILE)
    options = form["command"]["form"].get_fields()["profile"]["options"]
    dnd = [o["value"] for o in options if o["label"] == "DND"][0]
    answer = anna["xep_0004"].make_form(ftype="submit")
    answer.add_field(var="profile", value=dnd)
    result = await anna["xep_0050"].send_command("localhost", PROFILE, action="complete", payload=answer,
                                                 sessionid=form["command"]["sessionid"])
    assert result["command"]["status"] == "completed", result
    await anna.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 60))
