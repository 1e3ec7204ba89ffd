"""An echo bot with slixmpp, connected as an external component, and a user who finds it, chats with it and
subscribes to it. Usage: component.py HOST PORT CERTIFICATE COMPONENTPORT SECRET; prints "done" at the end."""
import asyncio
import sys

import slixmpp
from slixmpp.componentxmpp import ComponentXMPP

DOMAIN = "echo.example.org"
BOT = "bot@" + DOMAIN


class Echo(ComponentXMPP):
    def __init__(self, host, port, secret):
        super().__init__(DOMAIN, secret, host, int(port))
        self.ready = asyncio.get_event_loop().create_future()
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0199")
        self["xep_0030"].add_identity("client", "bot", name="Echo", jid=BOT)
        self["xep_0030"].add_feature("urn:echo", jid=BOT)
        self.add_event_handler("session_start", lambda _: self.ready.set_result(None))
        self.add_event_handler("message", self.answer)
        self.add_event_handler("presence_subscribe", self.agree)
        self.add_event_handler("presence_probe", lambda p: self.show(p["from"]))

    def answer(self, message):
        if message["type"] in ("chat", "normal"):
            message.reply("You said: " + message["body"]).send()

    def agree(self, presence):
        self.send_presence(pto=presence["from"].bare, pfrom=BOT, ptype="subscribed")
        self.send_presence(pto=presence["from"].bare, pfrom=BOT, ptype="subscribe")
        self.show(presence["from"])

    def show(self, who):
        self.send_presence(pto=who.bare, pfrom=BOT + "/echo", pshow="chat", pstatus="Listening")


class Person(slixmpp.ClientXMPP):
    def __init__(self, login, certificate):
        super().__init__(login + "@example.org/slix", "Secret12")
        self.ca_certs = certificate
        self.ready = asyncio.get_event_loop().create_future()
        for plugin in ("xep_0030", "xep_0199"):
            self.register_plugin(plugin)
        self.heard, self.seen = asyncio.Queue(), asyncio.Queue()
        self.auto_subscribe, self.auto_authorize = False, True
        self.add_event_handler("message", self.heard.put_nowait)
        self.add_event_handler("presence", self.seen.put_nowait)
        self.add_event_handler("session_start", self.begin)

    async def begin(self, _):
        await self.get_roster()
        self.send_presence()
        self.ready.set_result(None)

    async def sees(self, full):
        while True:
            p = await self.seen.get()
            if p["from"].full == full:
                return p


async def main(host, port, certificate, component_port, secret):
    echo = Echo(host, component_port, secret)
    echo.connect()
    await echo.ready
    anna = Person("anna", certificate)
    anna.connect((host, int(port)))
    await anna.ready

    items = await anna["xep_0030"].get_items("example.org")
    assert DOMAIN in [jid for jid, _, _ in items["disco_items"]["items"]], items
    info = await anna["xep_0030"].get_info(BOT)
    assert ("client", "bot", None, "Echo") in info["disco_info"]["identities"], info
    assert "urn:echo" in info["disco_info"]["features"], info
    await echo["xep_0199"].ping("example.org", ifrom=DOMAIN)
    await anna["xep_0199"].ping(DOMAIN)

    anna.send_message(BOT, "1 < 2 & 3", mtype="chat")
    heard = await anna.heard.get()
    assert heard["from"].bare == BOT and heard["body"] == "You said: 1 < 2 & 3", heard

    anna.send_presence(pto=BOT, ptype="subscribe")
    assert (await anna.sees(BOT + "/echo"))["status"] == "Listening"
    await anna.get_roster()  # the answer is empty if a push came before
    assert anna.client_roster[BOT]["subscription"] in ("to", "both"), anna.client_roster

    await anna.disconnect()
    again = Person("anna", certificate)
    again.connect((host, int(port)))
    await again.ready
    assert (await again.sees(BOT + "/echo"))["show"] == "chat"  # the component was asked
    await again.disconnect()
    await echo.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 30))
