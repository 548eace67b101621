"""长三角 and other provinces: cities whose side has no bus get 协查函 as files over a ferry, or in an HTTP mailbox.

A mailbox is their server; under the contract's url it has

    POST boxes/{agency}/messages         a form for them; answers {"jbh": …, "missing": [digests]}. While files that it
                                         cites are missing it is not in the box; it is put again after them. A form
                                         whose `jbh` is there already changes nothing
    PUT  files/{digest}                  an attachment, streamed
    GET  boxes/{bus}/messages?after=&limit=
                                         {"messages": [{"id": 17, "form": {…}}, …], "more": false}, ids from 1 on
    POST boxes/{bus}/acks                {"ids": [17, …]}: these are safely with us and may be forgotten; answers {}
    GET  files/{digest}?offset=&length=  a piece of one of theirs; shorter than asked for, or empty, at its end

Every request carries `Authorization: Bearer …` if the contract names a file with the token.
"""
