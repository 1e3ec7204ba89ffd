"""A phone with stream management and carbons loses its connection: a push component is told of what it
misses (XEP-0357), and the phone has it when it comes back (XEP-0198). Then the phone leaves for good, and
the component has enough of it. Usage: away.py HOST PORT CERTIFICATE COMPONENTHOST COMPONENTPORT SECRET;
prints "done" at the end."""
import asyncio
import sys
from xml.etree import ElementTree

import slixmpp
from slixmpp.componentxmpp import ComponentXMPP
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

PUSH, PUBSUB, FORMS = "urn:xmpp:push:0", "http://jabber.org/protocol/pubsub", "jabber:x:data"
SERVICE = "echo.example.org"


class Person(slixmpp.ClientXMPP):
    def __init__(self, address, certificate, *plugins):
        super().__init__(address, "Secret12")
        self.ca_certs = certificate
        self.ready = asyncio.get_event_loop().create_future()
        self.messages, self.copies, self.resumed = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
        for plugin in ("xep_0030", *plugins):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("message", self.messages.put_nowait)
        self.add_event_handler("carbon_received", self.copies.put_nowait)
        self.add_event_handler("carbon_sent", self.copies.put_nowait)
        self.add_event_handler("session_resumed", self.resumed.put_nowait)

    async def begin(self, _):
        await self.get_roster()
        self.send_presence()
        self.ready.set_result(None)

    def push(self, name, **attributes):
        iq = self.make_iq_set()
        iq.append(ElementTree.Element("{%s}%s" % (PUSH, name), jid=SERVICE, **attributes))
        return iq


class Service(ComponentXMPP):
    def __init__(self, secret, host, port):
        super().__init__(SERVICE, secret, host, port)
        self.ready = asyncio.get_event_loop().create_future()
        self.notifications = asyncio.Queue()
        self.add_event_handler("session_start", lambda _: self.ready.set_result(None))
        self.register_handler(Callback("push", MatchXPath("{jabber:component:accept}iq/{%s}pubsub" % PUBSUB), self.notifications.put_nowait))

    async def notified(self):
        """Returns what is told, the secret and the stanza."""
        iq = await asyncio.wait_for(self.notifications.get(), 20)
        publish = iq.xml.find("{%s}pubsub/{%s}publish" % (PUBSUB, PUBSUB))
        assert publish.get("node") == "device <1>", ElementTree.tostring(iq.xml)
        summary = {f.get("var"): f.findtext("{%s}value" % FORMS) for f in publish.iter("{%s}field" % FORMS)}
        options = {f.get("var"): f.findtext("{%s}value" % FORMS) for f in iq.xml.find("{%s}pubsub/{%s}publish-options" % (PUBSUB, PUBSUB)).iter("{%s}field" % FORMS)}
        return summary, options.get("secret"), iq


async def main(host, port, certificate, component_host, component_port, secret):
    phone = Person("anna@example.org/phone1", certificate, "xep_0198", "xep_0280")
    desk = Person("anna@example.org/desk", certificate, "xep_0280")
    ben = Person("ben@example.org/slix", certificate, "xep_0198")
    service = Service(secret, component_host, int(component_port))
    service.connect()
    await service.ready
    for person in (phone, desk, ben):
        person.connect((host, int(port)))
        await person.ready
    await phone["xep_0280"].enable()
    await desk["xep_0280"].enable()

    # Copies of what the other client receives and sends.
    ben.send_message("anna@example.org/desk", "One", mtype="chat")
    assert (await desk.messages.get())["body"] == "One"
    assert (await phone.copies.get())["carbon_received"]["body"] == "One"
    phone.send_message("ben@example.org/slix", "Two", mtype="chat")
    assert (await ben.messages.get())["body"] == "Two"
    assert (await desk.copies.get())["carbon_sent"]["body"] == "Two"

    info = await phone["xep_0030"].get_info("anna@example.org")
    assert PUSH in info["disco_info"]["features"], info
    enable = phone.push("enable", node="device <1>")
    form = ElementTree.SubElement(enable.xml[0], "{%s}x" % FORMS, type="submit")
    for name, value in (("FORM_TYPE", PUBSUB + "#publish-options"), ("secret", "s&s")):
        field = ElementTree.SubElement(form, "{%s}field" % FORMS, var=name)
        ElementTree.SubElement(field, "{%s}value" % FORMS).text = value
    await enable.send()

    # The connection breaks without a word. What the phone has acknowledged it is not told of.
    phone["xep_0198"].send_ack()
    await phone["xep_0030"].get_info("anna@example.org")
    phone.end_session_on_disconnect = False
    phone.transport.abort()
    await phone.wait_until("disconnected")
    ben.send_message("anna@example.org/phone1", "Three", mtype="chat")
    ben.send_message("anna@example.org/phone1", "Four", mtype="chat")
    summary, told, iq = await service.notified()
    assert summary["message-count"] == "2" and told == "s&s", (summary, told)
    assert iq["from"] == "anna@example.org", iq["from"]
    iq.reply().send()
    phone.connect((host, int(port)))
    await asyncio.wait_for(phone.resumed.get(), 20)
    assert [(await phone.messages.get())["body"] for _ in range(2)] == ["Three", "Four"]
    phone.send_message("ben@example.org/slix", "Five", mtype="chat")
    assert (await ben.messages.get())["body"] == "Five"

    # The phone and the desk leave; the service does not know the device any more.
    for person in (phone, desk):
        await person.disconnect()
    ben.send_message("anna@example.org", "Six", mtype="chat")
    summary, _, iq = await service.notified()
    assert summary["message-count"] == "1", summary
    refusal = iq.reply()
    refusal["type"] = "error"
    refusal["error"]["type"], refusal["error"]["condition"] = "cancel", "item-not-found"
    refusal.send()
    await ben.disconnect()
    await service.disconnect()
    print("done")


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(*sys.argv[1:]), 60))
