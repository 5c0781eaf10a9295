"""HubSpot: contacts with properties, singly and a hundred at a time.

    POST    /crm/v3/objects/contacts                      create
    GET     /crm/v3/objects/contacts                      list all
    GET     /crm/v3/objects/contacts/{id}                 read
    PATCH   /crm/v3/objects/contacts/{id}                 update what is sent
    DELETE  /crm/v3/objects/contacts/{id}                 archive
    POST    /crm/v3/objects/contacts/batch/create         and update, upsert, archive
    POST    /crm/v3/objects/contacts/batch/read           by ids, or a unique property
    POST    /crm/v3/objects/contacts/search               by phone
    POST    /crm/v3/objects/contacts/gdpr-delete          erase
    POST    /crm/v3/objects/contacts/merge                merge
    PUT     /crm/v3/lists/{list}/memberships/add          and remove
    GET     /crm/v3/lists/records/0-1/{id}/memberships    lists of a contact
    GET     /crm/v3/properties/contacts                   properties; tries the token

Fields are HubSpot's properties under their own names. Values are texts throughout.

Traps:

- The results of a batch are in no order, and repeat the trace id of a contact only
  perhaps. Taken by position, a contact would be linked to another person.
- Without trace ids one wrong contact fails its whole batch.
- An upsert by e-mail that leaves properties out is not supported.
- A create of a known e-mail address is refused, and the id stands in the words.
- Search shows late what was written. Look-ups by a unique property do not.
- A merge gives a new id; the former ones go on leading to the contact.
- Erasing by e-mail blocks an address that nobody has. It goes by id here.
- 423 and 477 are no refusals, and a 429 may be the end of the day's quota.
- The lifecycle stage moves forward only.

``settings`` and ``values`` are the small parts, ``requests`` and ``answers`` the API's
two sides, ``views`` what is shown of a contact. ``look_ups`` reads and finds contacts,
``batches`` matches the answer to many calls, ``properties`` checks a mapping, and
``adapter`` puts them together.
"""

from __future__ import annotations

from syncengine.vendor import Limit, VendorSpec
from syncengine.vendors.hubspot.adapter import HubSpot
from syncengine.vendors.hubspot.settings import HubSpotSettings

VENDOR = VendorSpec(
    name="hubspot",
    api_version=1,
    settings=HubSpotSettings,
    build=HubSpot,
    version=1,
    # Those of the smallest plans: ten seconds for each app, a day for the account.
    limits=(Limit(calls=100, per=10.0), Limit(calls=250_000, per=86_400.0)),
    address="https://api.hubapi.com",
    usual_fields=(
        "email",
        "firstname",
        "lastname",
        "phone",
        "company",
        "jobtitle",
        "city",
        "country",
        "lifecyclestage",
    ),
    widened_by={"match_on": "unique_properties", "tags": "tags_property"},
    twin="syncengine.sandbox.twins.hubspot:TWIN",
)
