"""Logs in with slixmpp and prints the bound address: login.py HOST PORT (starttls|direct)."""

import asyncio
import ssl
import sys

import slixmpp


async def main(host, port, direct):
    client = slixmpp.ClientXMPP("anna@example.org/slix", "Secret123")
    client.ssl_context.check_hostname = False
    client.ssl_context.verify_mode = ssl.CERT_NONE  # the certificate is self-signed
    started = asyncio.get_running_loop().create_future()
    client.add_event_handler("session_start", lambda _: started.set_result(None))
    client.add_event_handler("failed_all_auth", lambda _: started.set_exception(Exception("not logged in")))
    client.connect((host, port), use_ssl=direct, force_starttls=not direct)
    await asyncio.wait_for(started, 20)
    print(client.boundjid.full)
    await client.disconnect()


asyncio.set_event_loop(loop := asyncio.new_event_loop())
loop.run_until_complete(main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "direct"))
