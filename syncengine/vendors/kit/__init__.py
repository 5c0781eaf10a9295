"""Parts that the vendor adapters share.

None of them knows any one vendor. Adapters import them from ``syncengine.vendor``.

Most functions that send something are *exchanges*: generators that yield a request, are
sent its response, and return a result. An adapter uses one inside its own exchange::

    reply = yield from send_request(request, {401: "settings.token"})
    contact = parse_reply(request, reply, AcmeContact)

What can go wrong with a request is raised (``syncengine.errors``) and is the engine's
to handle: an adapter only has to deal with refusals of the contact itself.

- ``settings``, ``spec``, ``addresses``: what a vendor is declared and configured by
- ``calls``: check a call before it is sent, and take it apart
- ``replies``, ``reading``, ``not_found``: judge a response, and read it
- ``refusals``, ``messages``: turn a refusal into a rejection, free of personal data
- ``look_ups``: pages of a list, and a harmless request that tries the credentials
- ``echo``, ``values``: compare what was sent with what the vendor shows
- ``api_gateway``: the habits of APIs behind Amazon's API Gateway
"""
