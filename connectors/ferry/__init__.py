"""网闸摆渡: how two sides talk that no connection joins, such as 政务外网 and 公安网, by files that a gap carries over.

Each side has a folder `outgoing`, which the gap empties, and a folder `incoming`, which it fills. One pair of folders
serves one pair of sides. What follows is all that a side has to know to write its own end.

**Files.** Their names are flat and say everything; numbers of batches have ten digits, those of files four, from 1 on:

    310112-bus_310112-ga_0000000007.0001               a file of batch 7 from 310112-bus to 310112-ga
    310112-bus_310112-ga_0000000007.manifest           its manifest 清单
    310112-ga_310112-bus_0000000007.receipt            the return receipt 回执 of 310112-ga for it
    310112-ga_310112-bus_0000000005-0000000006.request 310112-ga asks for 5 and 6 again 补传请求

A file appears under its name only when it is whole (it is written elsewhere on the same file system, flushed to the
disk and renamed), and the manifest of a batch after all its files. A batch without its manifest does not exist. Names
that begin with a dot, folders, and files of other names are not looked at. Whoever takes a file from `incoming` deletes
it; the gap deletes what it has carried from `outgoing`, and may be slow, lose, repeat, reorder and damage.

**Papers.** Manifest, receipt and request are each one JSON object in UTF-8: member names in ASCII, numbers whole,
instants as `2026-11-12T02:00:00.000000Z`, digests as `sha-256:` and 64 hexadecimal digits in lower case. A member
without a value is left out, `null` does not occur, and there are no members but these. All have

    format      "liandong-ferry/1"
    paper       "manifest", "receipt" or "request"
    sender      the code of who wrote the paper
    receiver    the code of whom it is for
    made        when it was written
    signature   a detached JWS (RFC 7515, RFC 7797 with b64 false; EdDSA) with the sender's key, whose `kid` stands in
                the header, over the canonical form (RFC 8785) of the object without this member

and further

    manifest    series      32 hexadecimal digits, chosen when the sender began to count; never changes afterwards
                batch       1, 2, 3, …  without a hole, for each direction of its own
                previous    the digest of the manifest before it; left out in batch 1
                count       of files
                files       in the order of their numbers, each {"name", "digest", "size", "role", "id"}:
                            role "item": a document for the receiver, of at most 8 MiB; `id` is what it is known by
                            role "attachment": bytes that items cite by `digest`, once each, without `id`
    receipt     batch       the receiver has acted on it and on every batch before it
                manifest    the digest of its manifest
    request     first, last the batches that are asked for again, at most 256 of them

The digest of a manifest is the SHA-256 of the canonical form of the object without `signature`: a manifest that is
signed again with a newer key stays the same manifest.

**Receiving.** A batch is acted on when it is whole (every file there, of its size and digest), signed by the sender,
of the series, and the next one after the last that was acted on, whose digest it names. Later ones are held until their
turn, 256 at most. What is missing or damaged, and stays so for a while (a minute, as we do it), is asked for again,
again and again. A batch that was acted on before is receipted again and not acted on. A paper that is not what it says,
by its signature above all, is never acted on, and set aside with the reason (our folder for that is
`incoming/rejected`). A receipt may be lost: the next one speaks for all before it.

**Sending.** A batch is kept until it is receipted, and sent again, unchanged, when it is asked for, or when no receipt
has come for a while (an hour). No more than 256 batches wait for their receipts at a time. An item that was receipted
and comes again in a later batch, under the same `id`, is the same item: it is not acted on twice, unless its receiver
has sent it back as unreadable.

What a side remembers, it keeps in `outgoing/.ferry`: `journal.json`, and in `kept` the batches without a receipt.
"""
