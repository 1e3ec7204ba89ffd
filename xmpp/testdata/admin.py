"""Dora administers the server with slixmpp's plug-in for XEP-0133. Usage: admin.py HOST PORT CERTIFICATE; prints
"done" at the end."""
import asyncio
import sys

import slixmpp


class Person(slixmpp.ClientXMPP):
    def __init__(self, login, certificate):
        super().__init__(login + "@example.org/slix", "Secret12")
        self.ca_certs = certificate
        self.ready = asyncio.get_event_loop().create_future()
        self.heard, self.ended = asyncio.Queue(), asyncio.Event()
        for plugin in ("xep_0004", "xep_0030", "xep_0050", "xep_0133"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("message", self.heard.put_nowait)
        self.add_event_handler("stream_error", lambda _: self.ended.set())
        self.add_event_handler("failed_all_auth", lambda _: self.ready.set_exception(RuntimeError("not let in")))

    async def begin(self, _):
        self.send_presence()
        self.ready.set_result(None)

    async def run(self, command, **fields):
        """Runs an admin command as the plug-in does, fills in its form, and returns the result."""
        done = asyncio.get_event_loop().create_future()

        def fill(iq, session):
            if not fields or iq["command"]["status"] == "completed":
                return done.set_result(iq["command"])
            form = self["xep_0004"].make_form(ftype="submit")
            for name, value in fields.items():
                form.add_field(var=name.replace("__", "-"), value=value)
            session["payload"], session["next"] = form, lambda iq, _: done.set_result(iq["command"])
            self["xep_0050"].complete_command(session)

        failed = lambda iq, _: done.set_exception(RuntimeError(str(iq)))
        getattr(self["xep_0133"], command)("example.org", session={"next": fill, "error": failed})
        return await asyncio.wait_for(done, 20)


async def main(host, port, certificate):
    dora, ben = Person("dora", certificate), Person("ben", certificate)
    for person in (dora, ben):
        person.connect((host, int(port)))
        await person.ready
    offered = {i[1] for i in (await dora["xep_0133"].get_commands("example.org"))["disco_items"]["items"]}
    assert "http://jabber.org/protocol/admin#add-user" in offered, offered

    await dora.run("add_user", accountjid="emil@example.org", password="Secret12", password__verify="Secret12",
                   given_name="Emil", surname="Ernst")
    await dora.run("change_user_password", accountjid="emil@example.org", password="Other1234")
    online = await dora.run("get_online_users_num")
    assert int(online["form"]["values"]["onlineusersnum"]) >= 2, online  # the test itself has a client, too
    listed = await dora.run("get_online_users_list", max_items="none")
    assert set(listed["form"]["values"]["onlineuserjids"]) >= {"ben@example.org", "dora@example.org"}, listed
    seen = await dora.run("get_user_lastlogin", accountjid="ben@example.org")
    assert seen["form"]["values"]["lastlogin"].endswith("Z"), seen
    stats = await dora.run("user_stats", accountjid="ben@example.org")
    assert "slix" in stats["form"]["values"]["onlineresources"], stats
    await dora.run("announce", announcement="Cake in the kitchen")
    assert (await asyncio.wait_for(ben.heard.get(), 20))["body"] == "Cake in the kitchen"
    await dora.run("set_motd", motd=["Fire drill", "at noon"])
    assert (await asyncio.wait_for(ben.heard.get(), 20))["body"] == "Fire drill\nat noon"
    await dora.run("delete_motd")
    await dora.run("end_user_session", accountjids=["ben@example.org"])
    await asyncio.wait_for(ben.ended.wait(), 20)
    await dora.run("delete_user", accountjids=["emil@example.org"])
    await dora.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 55))
