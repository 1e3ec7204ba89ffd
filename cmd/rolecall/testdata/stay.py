"""Ben signs in with slixmpp, pings the server and stays until standard input ends.
Usage: stay.py HOST PORT CERTIFICATE PASSWORD."""
import asyncio
import sys

import slixmpp


async def main(host, port, certificate, password):
    ben = slixmpp.ClientXMPP("ben@localhost/stay", password)
    ben.ca_certs = certificate
    ready = asyncio.get_event_loop().create_future()
    ben.add_event_handler("session_start", lambda _: ready.set_result(None))
    ben.connect((host, int(port)))
    await ready
    ben.send_raw("<iq type='get' id='p1' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    await asyncio.get_event_loop().run_in_executor(None, sys.stdin.read)
    await ben.disconnect()


asyncio.get_event_loop().run_until_complete(main(*sys.argv[1:]))
