-- Run by the Postgres image when its data folder is new: real contacts to sync.
CREATE SCHEMA crm;

CREATE TABLE crm.contacts (
    id            text COLLATE "C" PRIMARY KEY,
    first_name    text,
    middle_name   text,
    last_name     text,
    suffix        text,
    nickname      text,
    official_full text,
    birthday      date,
    gender        text,
    chamber       text,
    state         text,
    district      text,
    party         text,
    term_start    date,
    term_end      date,
    phone         text,
    fax           text,
    office        text,
    address       text,
    url           text,
    contact_form  text,
    twitter       text,
    facebook      text,
    youtube       text,
    instagram     text,
    tags          text[]
);

COPY crm.contacts FROM PROGRAM 'gunzip --stdout /demo/2025-06-01.csv.gz' WITH (FORMAT csv, HEADER match);
