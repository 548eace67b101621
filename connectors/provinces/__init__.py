"""长三角 and other provinces: cities whose side has no bus get 协查函 as files over a ferry, or in an HTTP mailbox.

A mailbox is their server; under the contract's url it has

    PUT  files/{digest}                  an attachment, streamed; a file that is there already changes nothing
    HEAD files/{digest}                  200 if it is there, else 404
    GET  files/{digest}?offset=&length=  a piece of one of theirs; shorter than asked for, or empty, at its end
    POST boxes/{agency}/messages         a form for them; 201, or 200 if its `jbh` was put there before
    GET  boxes/{bus}/messages?after=&limit=
                                         {"messages": [{"id": 17, "form": {…}}, …], "more": false}, ids from 1 on
    POST boxes/{bus}/acks                {"ids": [17, …]}: these are safely with us and may be forgotten

Every request carries `Authorization: Bearer …` if the contract names a file with the token.
"""
