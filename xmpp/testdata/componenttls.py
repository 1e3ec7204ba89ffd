"""An echo bot with slixmpp that connects like a client, with TLS and its certificate (SASL EXTERNAL), and binds two domains
(XEP-0225). Usage: componenttls.py HOST PORT CERTIFICATE COMPONENTPORT OWNCERTIFICATE OWNKEY; prints "done" at the end."""
import asyncio
import sys

import slixmpp
from slixmpp.stanza import StreamFeatures
from slixmpp.xmlstream import ElementBase, register_stanza_plugin

DOMAIN, OTHER = "echo.example.org", "other.example.org"


class ComponentBind(ElementBase):
    name, namespace, plugin_attrib = "bind", "urn:xmpp:component:0", "component_bind"
    interfaces = sub_interfaces = {"hostname"}


class Echo(slixmpp.ClientXMPP):
    def __init__(self, certificate, own, key):
        super().__init__("example.org", "", sasl_mech="EXTERNAL")
        self.ca_certs, self.certfile, self.keyfile = certificate, own, key
        self.stream_header = self.stream_header.replace("<stream:stream ", "<stream:stream from='%s' " % DOMAIN)
        self.ready = asyncio.get_event_loop().create_future()
        register_stanza_plugin(StreamFeatures, ComponentBind)
        register_stanza_plugin(slixmpp.Iq, ComponentBind)
        self.register_feature("component_bind", self.bind, restart=False, order=10000)
        self.add_event_handler("message", self.answer)
        self.add_event_handler("failed_all_auth", lambda _: self.ready.set_exception(Exception("refused")))

    def answer(self, message):
        reply = message.reply("You said: " + message["body"])
        reply["from"] = message["to"]
        reply.send()

    async def bind(self, features):
        self._always_send_everything = True  # the library holds back whatever is not its own bind
        for domain in (DOMAIN, OTHER):
            iq = self.Iq(stype="set")
            iq["component_bind"]["hostname"] = domain
            answer = await iq.send()
            assert answer["component_bind"]["hostname"] == domain, answer
        self.event("session_bind", slixmpp.JID(DOMAIN))
        self.sessionstarted = True
        self.event("session_start")
        self.ready.set_result(None)


class Person(slixmpp.ClientXMPP):
    def __init__(self, certificate):
        super().__init__("anna@example.org/slix", "Secret12")
        self.ca_certs = certificate
        self.heard = asyncio.Queue()
        self.ready = asyncio.get_event_loop().create_future()
        self.add_event_handler("message", self.heard.put_nowait)
        self.add_event_handler("session_start", lambda _: self.ready.set_result(None))


async def main(host, port, certificate, component_port, own, key):
    echo = Echo(certificate, own, key)
    echo.connect((host, int(component_port)))
    await echo.ready
    anna = Person(certificate)
    anna.connect((host, int(port)))
    await anna.ready
    for bot in ("bot@" + DOMAIN, "bot@" + OTHER):
        anna.send_message(bot, "1 < 2 & 3", mtype="chat")
        heard = await anna.heard.get()
        assert heard["from"].bare == bot and heard["body"] == "You said: 1 < 2 & 3", heard
    await anna.disconnect()
    await echo.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 30))
