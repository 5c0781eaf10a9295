-- name: table
CREATE SCHEMA IF NOT EXISTS crm;
CREATE TABLE IF NOT EXISTS crm.contacts (
    id text COLLATE "C" PRIMARY KEY,
    first_name text,
    middle_name text,
    last_name text,
    suffix text,
    nickname text,
    official_full text,
    birthday date,
    gender text,
    chamber text,
    state text,
    district text,
    party text,
    term_start date,
    term_end date,
    phone text,
    fax text,
    office text,
    address text,
    url text,
    contact_form text,
    twitter text,
    facebook text,
    youtube text,
    instagram text,
    tags text[]
)

-- name: leave
DELETE FROM crm.contacts WHERE id <> ALL ($1::text[])

-- name: load
INSERT INTO crm.contacts AS c
SELECT id, first_name, middle_name, last_name, suffix, nickname, official_full, birthday::date, gender, chamber, state, district, party, term_start::date, term_end::date, phone, fax, office, address, url, contact_form, twitter, facebook, youtube, instagram, tags::text[]
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[], $25::text[], $26::text[])
     AS t (id, first_name, middle_name, last_name, suffix, nickname, official_full, birthday, gender, chamber, state, district, party, term_start, term_end, phone, fax, office, address, url, contact_form, twitter, facebook, youtube, instagram, tags)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET
    first_name = excluded.first_name,
    middle_name = excluded.middle_name,
    last_name = excluded.last_name,
    suffix = excluded.suffix,
    nickname = excluded.nickname,
    official_full = excluded.official_full,
    birthday = excluded.birthday,
    gender = excluded.gender,
    chamber = excluded.chamber,
    state = excluded.state,
    district = excluded.district,
    party = excluded.party,
    term_start = excluded.term_start,
    term_end = excluded.term_end,
    phone = excluded.phone,
    fax = excluded.fax,
    office = excluded.office,
    address = excluded.address,
    url = excluded.url,
    contact_form = excluded.contact_form,
    twitter = excluded.twitter,
    facebook = excluded.facebook,
    youtube = excluded.youtube,
    instagram = excluded.instagram,
    tags = excluded.tags
WHERE ROW(c.*) IS DISTINCT FROM ROW(excluded.*)
