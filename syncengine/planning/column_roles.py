"""Meaning of a column or a vendor's field, by its name.

Names are compared in one spelling: ``firstName``, ``First Name`` and ``FIRST_NAME`` are
``firstname``, and ``prénom`` is ``prenom``. Words that say whose value it is, as in
``billing_email`` or ``kunde_telefon``, are left out where the rest has a meaning.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """Meanings of columns and fields that a proposal knows."""

    OWN_KEY = "own key"
    """The source's own key, as a vendor holds it."""
    EMAIL = "e-mail"
    MOBILE = "mobile phone"
    PHONE = "phone"
    FIRST_NAME = "first name"
    LAST_NAME = "last name"
    FULL_NAME = "full name"
    LANGUAGE = "language"
    COUNTRY = "country"
    BIRTHDAY = "birthday"
    TITLE = "title"
    TAGS = "tags"
    OPTED_OUT = "opt-out"
    OPTED_IN = "consent"
    DELETED = "deletion"
    SECRET = "secret"  # noqa: S105 - a meaning, no secret


CONTACT_ROLES = frozenset(
    {
        Role.EMAIL,
        Role.PHONE,
        Role.MOBILE,
        Role.FIRST_NAME,
        Role.LAST_NAME,
        Role.FULL_NAME,
    }
)
"""Roles of columns that make a table look like one of contacts."""
REACHING_ROLES = frozenset({Role.EMAIL, Role.PHONE, Role.MOBILE})
"""Those of them by which somebody is reached: they weigh twice."""
_NAMES = {
    Role.OWN_KEY: """
        crmid crmkey externalid externalkey externalreferenceid referenceid ownid ownkey
        customerid contactkey sourceid
        """,
    Role.EMAIL: """
        email mail emailaddress mailaddress emailadresse mailadresse epost courriel
        adressemail adresseemail correo correoelectronico emailid primaryemail
        personalemail workemail
        """,
    Role.MOBILE: """
        mobile mobilephone mobilenumber mobilephonenumber cellphonenumber mobil
        mobilnummer mobiltelefon handy handynummer
        cell cellphone cellnumber whatsapp whatsappnumber whatsappphone whatsappnummer
        portable telephoneportable telportable mobiltelephone movil celular
        telefonomovil numeromovil natel msisdn phonemobile telmobil telmobile
        telefonmobil telefonmobile mobiltel mobilnr handynr
        """,
    Role.PHONE: """
        phone phonenumber telephone telephonenumber telefon telefonnummer telefonnr
        tel telnr telno phoneno rufnummer numerotelephone numerodetelephone
        telefono numerotelefono numerodetelefono fon phonework workphone homephone
        phonehome landline festnetz phone1 contactnumber
        """,
    Role.FIRST_NAME: """
        firstname fname givenname forename vorname prenom nombre nombres primernombre
        """,
    Role.LAST_NAME: """
        lastname lname surname familyname nachname familienname zuname nom nomdefamille
        apellido apellidos
        """,
    Role.FULL_NAME: """
        name fullname displayname officialfull completename ganzername vollname
        nomcomplet nombrecompleto personname contactname customername
        """,
    Role.LANGUAGE: """
        language lang locale sprache langue idioma preferredlanguage languagecode
        """,
    Role.COUNTRY: """
        country countrycode land landcode laendercode landercode pays codepays pais
        codigopais countryiso iso2
        """,
    Role.BIRTHDAY: """
        birthday birthdate dateofbirth dob geburtstag geburtsdatum datedenaissance
        naissance anniversaire fechadenacimiento nacimiento
        """,
    Role.TITLE: "title jobtitle titel titre titulo position",
    Role.TAGS: """
        tags tag labels label tagnames schlagworte schlagworter stichworte etiquettes
        etiquetas tagstring groups segments
        """,
    Role.OPTED_OUT: """
        optedout optout unsubscribed isunsubscribed donotcontact donotemail donotcall
        hasoptedoutofemail hasoptedout dnc blocked isblocked abgemeldet werbesperre
        widerruf widerrufen gesperrt desinscrit desabonne nepascontacter baja
        nocontactar suppressed donotdisturb emailoptout smsoptout optoutall
        """,
    Role.OPTED_IN: """
        optedin optin consent hasconsent marketingconsent acceptsmarketing
        acceptsemailmarketing acceptssmsmarketing subscribed issubscribed newsletter
        einwilligung zustimmung werbeeinwilligung consentement accepte consentimiento
        acepta gdprconsent whatsappoptin whatsappconsent
        """,
    Role.DELETED: """
        deleted isdeleted deletedat geloscht geloeschtam geloschtam supprime
        supprimele eliminado borrado archived isarchived archivedat
        """,
    Role.SECRET: """
        password passwordhash passwd pwd hash salt token apikey apitoken secret
        accesstoken refreshtoken passwort kennwort motdepasse contrasena pin
        sessionid otp sessiontoken resettoken
        """,
}
_NO_INSIDE = re.compile(
    "unsubscri|opt(?:ed)?out|donot(?:call|contact|disturb|e?mail|sms|text|write)"
    "|abgemeldet|widerruf|werbesperre|desabonn|desinscri|nocontact"
)
"""Words for a no that may stand inside of a longer name, such as ``Unsubscribed from
all email``. Whoever said no must not be overlooked."""
_YES_INSIDE = re.compile(
    "opt(?:ed)?in(?![a-z]*g)|consent|newsletter|einwillig|werbungerlaubt|accepts?market|acceptepub"
)
"""Words for a yes likewise."""
_ROLES: Mapping[str, Role] = MappingProxyType(
    {name: role for role, names in _NAMES.items() for name in names.split()}
)
_OWNER_WORDS = """
    contact customer client user person people member subscriber lead account kunde
    kunden kontakt nutzer mitglied cliente contacto usuario adherent membre billing
    shipping default primary main personal private privat work business geschaeftlich
    geschaftlich hubspot sf str txt c is has the
    """
_OWNERS = frozenset(_OWNER_WORDS.split())
"""Words that say whose value it is, or of which kind, and mean nothing alone."""
_LANGUAGES = {
    "DE": "vorname nachname telefon telefonnummer rufnummer handy handynummer geburtstag "
    "geburtsdatum strasse plz ort kunde sprache land mobilnummer festnetz mailadresse",
    "FR": "prenom nom courriel naissance ville codepostal pays langue adresse "
    "telephoneportable numerotelephone desinscrit",
    "ES": "nombre apellido apellidos correo telefono movil ciudad pais idioma "
    "fechadenacimiento nacimiento calle",
}
"""Country to column names that are usual in its language."""
_FEWEST_WORDS = 2
"""Names of a language that a table must have to be taken for one in that language."""


def role_of(name: str) -> Role | None:
    """Return what a column of this name means; None where it says nothing."""
    words = _words(name)
    whole = "".join(words)
    if whole in _ROLES:
        return _ROLES[whole]
    # ``billing_email`` without its first word, ``Email__c`` without its last one.
    while len(words) > 1 and words[0] in _OWNERS:
        words = words[1:]
    while len(words) > 1 and (words[-1] in _OWNERS or words[-1].isdigit()):
        words = words[:-1]
    if "".join(words) in _ROLES:
        return _ROLES["".join(words)]
    if _NO_INSIDE.search(whole):
        return Role.OPTED_OUT
    return Role.OPTED_IN if _YES_INSIDE.search(whole) else None


def is_plain_name(name: str) -> bool:
    """Return whether a name means what it means without leaving a word out."""
    return "".join(_words(name)) in _ROLES


def role_of_field(field: str) -> Role | None:
    """Return what a vendor's field means: ``phone_numbers.mobile`` is a mobile."""
    parts = field.split(".")
    candidates = [parts[-1]]
    # In ``email_addresses.main`` the first part says what it is. A custom field's
    # container says nothing.
    if len(parts) > 1:
        candidates += [parts[0].removesuffix("s"), parts[0].removesuffix("es")]
    for candidate in candidates:
        role = role_of(candidate)
        if role is not None:
            return role
    return None


def same_name(one: str, other: str) -> bool:
    """Return whether two names differ in their spelling only."""
    return "".join(_words(one)) == "".join(_words(other))


def country_of(names: tuple[str, ...]) -> str | None:
    """Return the country that columns' names hint at by their language, if any does.

    It is a guess for a question's default, no more: Austrians write German, too.
    """
    spelled = {"".join(_words(name)) for name in names}
    best, most = None, _FEWEST_WORDS - 1
    for country, words in _LANGUAGES.items():
        number = len(spelled & set(words.split()))
        if number > most:
            best, most = country, number
    return best


def _words(name: str) -> list[str]:
    """Return the words of a name, in small letters and without accents."""
    # An umlaut may be spelled out: both spellings are among the names above.
    decomposed = unicodedata.normalize("NFKD", name)
    plain = "".join(each for each in decomposed if not unicodedata.combining(each))
    # ``firstName`` and ``URLPath``: a capital after a small letter begins a word.
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", plain)
    found: list[str] = re.findall(r"[^\W_]+", spaced.casefold())
    return [word for word in found if word] or [""]
