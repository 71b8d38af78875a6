// Finds keywords. Words compare as integers: `head` is the first eight bytes of the folded word, `tail` its last eight (both
// little-endian; `head` is zero padded). Written by scripts/keywords.py. A switch, so that it needs no table in memory.

extension Keyword {
    /// The keyword of `count` lower-case bytes, or `.identifier`. `middle` is the byte at index 8, which head and tail of the
    /// one word of seventeen letters leave out.
    static func lookup(count: Int, head: UInt64, tail: UInt64, middle: UInt8) -> Keyword {
        switch count {
        case 2: lookup2(head)
        case 3: lookup3(head)
        case 4: lookup4(head)
        case 5: lookup5(head)
        case 6: lookup6(head)
        case 7: lookup7(head)
        case 8: lookup8(head)
        case 9: lookup9(head, tail)
        case 10: lookup10(head, tail)
        case 11: lookup11(head, tail)
        case 12: lookup12(head, tail)
        case 13: lookup13(head, tail)
        case 14: lookup14(head, tail)
        case 15: lookup15(head, tail)
        case 17: middle == UInt8(ascii: "t") ? lookup17(head, tail) : .identifier
        default: .identifier
        }
    }

    private static func lookup2(_ head: UInt64) -> Keyword {
        switch head {
        case 0x7361: .as
        case 0x7461: .at
        case 0x7962: .by
        case 0x6f64: .do
        case 0x6669: .if
        case 0x6e69: .in
        case 0x7369: .is
        case 0x6f6e: .no
        case 0x666f: .of
        case 0x6e6f: .on
        case 0x726f: .or
        case 0x6f74: .to
        default: .identifier
        }
    }

    private static func lookup3(_ head: UInt64) -> Keyword {
        switch head {
        case 0x646461: .add
        case 0x6c6c61: .all
        case 0x646e61: .and
        case 0x796e61: .any
        case 0x637361: .asc
        case 0x746962: .bit
        case 0x767363: .csv
        case 0x796164: .day
        case 0x636564: .dec
        case 0x646e65: .end
        case 0x726f66: .for
        case 0x746e69: .int
        case 0x79656b: .key
        case 0x77656e: .new
        case 0x63666e: .nfc
        case 0x64666e: .nfd
        case 0x746f6e: .not
        case 0x66666f: .off
        case 0x646c6f: .old
        case 0x74756f: .out
        case 0x666572: .ref
        case 0x776f72: .row
        case 0x746573: .set
        case 0x6c7173: .sql
        case 0x6c6d78: .xml
        case 0x736579: .yes
        default: .identifier
        }
    }

    private static func lookup4(_ head: UInt64) -> Keyword {
        switch head {
        case 0x6f736c61: .also
        case 0x68746f62: .both
        case 0x6c6c6163: .call
        case 0x65736163: .case
        case 0x74736163: .cast
        case 0x72616863: .char
        case 0x79706f63: .copy
        case 0x74736f63: .cost
        case 0x65627563: .cube
        case 0x61746164: .data
        case 0x63736564: .desc
        case 0x706f7264: .drop
        case 0x68636165: .each
        case 0x65736c65: .else
        case 0x6d756e65: .enum
        case 0x6d6f7266: .from
        case 0x6c6c7566: .full
        case 0x646c6f68: .hold
        case 0x72756f68: .hour
        case 0x6f746e69: .into
        case 0x6e696f6a: .join
        case 0x7473616c: .last
        case 0x7466656c: .left
        case 0x656b696c: .like
        case 0x64616f6c: .load
        case 0x6b636f6c: .lock
        case 0x65646f6d: .mode
        case 0x65766f6d: .move
        case 0x656d616e: .name
        case 0x7478656e: .next
        case 0x636b666e: .nfkc
        case 0x646b666e: .nfkd
        case 0x656e6f6e: .none
        case 0x6c6c756e: .null
        case 0x7364696f: .oids
        case 0x796c6e6f: .only
        case 0x7265766f: .over
        case 0x64616572: .read
        case 0x6c616572: .real
        case 0x656c6f72: .role
        case 0x73776f72: .rows
        case 0x656c7572: .rule
        case 0x73746573: .sets
        case 0x776f6873: .show
        case 0x70696b73: .skip
        case 0x656d6f73: .some
        case 0x706d6574: .temp
        case 0x74786574: .text
        case 0x6e656874: .then
        case 0x73656974: .ties
        case 0x656d6974: .time
        case 0x6d697274: .trim
        case 0x65757274: .true
        case 0x65707974: .type
        case 0x72657375: .user
        case 0x77656976: .view
        case 0x6e656877: .when
        case 0x68746977: .with
        case 0x6b726f77: .work
        case 0x72616579: .year
        case 0x656e6f7a: .zone
        default: .identifier
        }
    }

    private static func lookup5(_ head: UInt64) -> Keyword {
        switch head {
        case 0x74726f6261: .abort
        case 0x6e696d6461: .admin
        case 0x7265746661: .after
        case 0x7265746c61: .alter
        case 0x7961727261: .array
        case 0x6e69676562: .begin
        case 0x6568636163: .cache
        case 0x6e69616863: .chain
        case 0x6b63656863: .check
        case 0x7373616c63: .class
        case 0x65736f6c63: .close
        case 0x73736f7263: .cross
        case 0x656c637963: .cycle
        case 0x6874706564: .depth
        case 0x746e657665: .event
        case 0x65736c6166: .false
        case 0x6863746566: .fetch
        case 0x7473726966: .first
        case 0x74616f6c66: .float
        case 0x6563726f66: .force
        case 0x746e617267: .grant
        case 0x70756f7267: .group
        case 0x656b696c69: .ilike
        case 0x7865646e69: .index
        case 0x72656e6e69: .inner
        case 0x74756f6e69: .inout
        case 0x7475706e69: .input
        case 0x6c6562616c: .label
        case 0x656772616c: .large
        case 0x747361656c: .least
        case 0x6c6576656c: .level
        case 0x74696d696c: .limit
        case 0x6c61636f6c: .local
        case 0x686374616d: .match
        case 0x656772656d: .merge
        case 0x68746e6f6d: .month
        case 0x73656d616e: .names
        case 0x726168636e: .nchar
        case 0x736c6c756e: .nulls
        case 0x726564726f: .order
        case 0x726574756f: .outer
        case 0x64656e776f: .owned
        case 0x72656e776f: .owner
        case 0x736e616c70: .plans
        case 0x726f697270: .prior
        case 0x65746f7571: .quote
        case 0x65676e6172: .range
        case 0x7465736572: .reset
        case 0x7468676972: .right
        case 0x666f746573: .setof
        case 0x6572616873: .share
        case 0x7472617473: .start
        case 0x6e69647473: .stdin
        case 0x7069727473: .strip
        case 0x6469737973: .sysid
        case 0x656c626174: .table
        case 0x7461657274: .treat
        case 0x7365707974: .types
        case 0x6e6f696e75: .union
        case 0x6c69746e75: .until
        case 0x676e697375: .using
        case 0x64696c6176: .valid
        case 0x65756c6176: .value
        case 0x7377656976: .views
        case 0x6572656877: .where
        case 0x6574697277: .write
        case 0x69706c6d78: .xmlpi
        default: .identifier
        }
    }

    private static func lookup6(_ head: UInt64) -> Keyword {
        switch head {
        case 0x737365636361: .access
        case 0x6e6f69746361: .action
        case 0x737961776c61: .always
        case 0x63696d6f7461: .atomic
        case 0x686361747461: .attach
        case 0x65726f666562: .before
        case 0x746e69676962: .bigint
        case 0x7972616e6962: .binary
        case 0x64656c6c6163: .called
        case 0x6e6d756c6f63: .column
        case 0x74696d6d6f63: .commit
        case 0x657461657263: .create
        case 0x726f73727563: .cursor
        case 0x6574656c6564: .delete
        case 0x686361746564: .detach
        case 0x6e69616d6f64: .domain
        case 0x656c62756f64: .double
        case 0x656c62616e65: .enable
        case 0x657061637365: .escape
        case 0x747065637865: .except
        case 0x737473697865: .exists
        case 0x796c696d6166: .family
        case 0x7265746c6966: .filter
        case 0x657a65657266: .freeze
        case 0x6c61626f6c67: .global
        case 0x7370756f7267: .groups
        case 0x676e69766168: .having
        case 0x726564616568: .header
        case 0x74726f706d69: .import
        case 0x656e696c6e69: .inline
        case 0x747265736e69: .insert
        case 0x6c6c756e7369: .isnull
        case 0x6e657473696c: .listen
        case 0x64656b636f6c: .locked
        case 0x646567676f6c: .logged
        case 0x646f6874656d: .method
        case 0x6574756e696d: .minute
        case 0x796669746f6e: .notify
        case 0x746961776f6e: .nowait
        case 0x66696c6c756e: .nullif
        case 0x7463656a626f: .object
        case 0x74657366666f: .offset
        case 0x6e6f6974706f: .option
        case 0x73726568746f: .others
        case 0x726573726170: .parser
        case 0x7963696c6f70: .policy
        case 0x656d616e6572: .rename
        case 0x6e7275746572: .return
        case 0x656b6f766572: .revoke
        case 0x70756c6c6f72: .rollup
        case 0x616d65686373: .schema
        case 0x6c6c6f726373: .scroll
        case 0x686372616573: .search
        case 0x646e6f636573: .second
        case 0x7463656c6573: .select
        case 0x726576726573: .server
        case 0x656c706d6973: .simple
        case 0x656c62617473: .stable
        case 0x74756f647473: .stdout
        case 0x6465726f7473: .stored
        case 0x746369727473: .strict
        case 0x6d6574737973: .system
        case 0x73656c626174: .tables
        case 0x657571696e75: .unique
        case 0x657461647075: .update
        case 0x6d7575636176: .vacuum
        case 0x7365756c6176: .values
        case 0x776f646e6977: .window
        case 0x6e6968746977: .within
        default: .identifier
        }
    }

    private static func lookup7(_ head: UInt64) -> Keyword {
        switch head {
        case 0x6573796c616e61: .analyse
        case 0x657a796c616e61: .analyze
        case 0x6e656577746562: .between
        case 0x6e61656c6f6f62: .boolean
        case 0x68746461657262: .breadth
        case 0x65646163736163: .cascade
        case 0x676f6c61746163: .catalog
        case 0x72657473756c63: .cluster
        case 0x6574616c6c6f63: .collate
        case 0x736e6d756c6f63: .columns
        case 0x746e656d6d6f63: .comment
        case 0x746e65746e6f63: .content
        case 0x746e6572727563: .current
        case 0x6c616d69636564: .decimal
        case 0x6572616c636564: .declare
        case 0x746c7561666564: .default
        case 0x72656e69666564: .definer
        case 0x73646e65706564: .depends
        case 0x656c6261736964: .disable
        case 0x64726163736964: .discard
        case 0x6564756c637865: .exclude
        case 0x65747563657865: .execute
        case 0x6e69616c707865: .explain
        case 0x74636172747865: .extract
        case 0x6e676965726f66: .foreign
        case 0x64726177726f66: .forward
        case 0x6465746e617267: .granted
        case 0x72656c646e6168: .handler
        case 0x6564756c636e69: .include
        case 0x73657865646e69: .indexes
        case 0x74697265686e69: .inherit
        case 0x64616574736e69: .instead
        case 0x72656765746e69: .integer
        case 0x72656b6f766e69: .invoker
        case 0x6c61726574616c: .lateral
        case 0x676e696461656c: .leading
        case 0x676e697070616d: .mapping
        case 0x6465686374616d: .matched
        case 0x6c61727574616e: .natural
        case 0x676e6968746f6e: .nothing
        case 0x6c6c756e746f6e: .notnull
        case 0x636972656d756e: .numeric
        case 0x736e6f6974706f: .options
        case 0x79616c7265766f: .overlay
        case 0x6c616974726170: .partial
        case 0x676e6973736170: .passing
        case 0x676e6963616c70: .placing
        case 0x65726170657270: .prepare
        case 0x7972616d697270: .primary
        case 0x6d6172676f7270: .program
        case 0x6b636568636572: .recheck
        case 0x68736572666572: .refresh
        case 0x7865646e696572: .reindex
        case 0x657361656c6572: .release
        case 0x6563616c706572: .replace
        case 0x6163696c706572: .replica
        case 0x74726174736572: .restart
        case 0x736e7275746572: .returns
        case 0x656e6974756f72: .routine
        case 0x73616d65686373: .schemas
        case 0x6e6f6973736573: .session
        case 0x72616c696d6973: .similar
        case 0x656761726f7473: .storage
        case 0x74726f70707573: .support
        case 0x72656767697274: .trigger
        case 0x64657473757274: .trusted
        case 0x65706163736575: .uescape
        case 0x6e776f6e6b6e75: .unknown
        case 0x72616863726176: .varchar
        case 0x676e6979726176: .varying
        case 0x65736f62726576: .verbose
        case 0x6e6f6973726576: .version
        case 0x74756f68746977: .without
        case 0x72657070617277: .wrapper
        case 0x746f6f726c6d78: .xmlroot
        default: .identifier
        }
    }

    private static func lookup8(_ head: UInt64) -> Keyword {
        switch head {
        case 0x6574756c6f736261: .absolute
        case 0x647261776b636162: .backward
        case 0x6465646163736163: .cascaded
        case 0x656373656c616f63: .coalesce
        case 0x73746e656d6d6f63: .comments
        case 0x7463696c666e6f63: .conflict
        case 0x65756e69746e6f63: .continue
        case 0x6573616261746164: .database
        case 0x73746c7561666564: .defaults
        case 0x6465727265666564: .deferred
        case 0x74636e6974736964: .distinct
        case 0x746e656d75636f64: .document
        case 0x676e69646f636e65: .encoding
        case 0x6c616e7265747865: .external
        case 0x657a696c616e6966: .finalize
        case 0x6e6f6974636e7566: .function
        case 0x7473657461657267: .greatest
        case 0x676e6970756f7267: .grouping
        case 0x797469746e656469: .identity
        case 0x746963696c706d69: .implicit
        case 0x7374697265686e69: .inherits
        case 0x6c61767265746e69: .interval
        case 0x65676175676e616c: .language
        case 0x6e6f697461636f6c: .location
        case 0x65756c617678616d: .maxvalue
        case 0x65756c61766e696d: .minvalue
        case 0x6c616e6f6974616e: .national
        case 0x726f74617265706f: .operator
        case 0x7370616c7265766f: .overlaps
        case 0x6c656c6c61726170: .parallel
        case 0x64726f7773736170: .password
        case 0x6e6f697469736f70: .position
        case 0x6465726170657270: .prepared
        case 0x6576726573657270: .preserve
        case 0x6e67697373616572: .reassign
        case 0x65766974616c6572: .relative
        case 0x7463697274736572: .restrict
        case 0x6b6361626c6c6f72: .rollback
        case 0x73656e6974756f72: .routines
        case 0x7974697275636573: .security
        case 0x65636e6575716573: .sequence
        case 0x746e696c6c616d73: .smallint
        case 0x746f687370616e73: .snapshot
        case 0x6574616c706d6574: .template
        case 0x676e696c69617274: .trailing
        case 0x657461636e757274: .truncate
        case 0x6e657473696c6e75: .unlisten
        case 0x646567676f6c6e75: .unlogged
        case 0x65746164696c6176: .validate
        case 0x6369646169726176: .variadic
        case 0x656c6974616c6f76: .volatile
        case 0x65737261706c6d78: .xmlparse
        case 0x656c6261746c6d78: .xmltable
        default: .identifier
        }
    }

    private static func lookup9(_ head: UInt64, _ tail: UInt64) -> Keyword {
        switch tail {
        case 0x6574616765726767 where head == 0x7461676572676761: .aggregate
        case 0x6e6f697472657373 where head == 0x6f69747265737361: .assertion
        case 0x6574756269727474 where head == 0x7475626972747461: .attribute
        case 0x7265746361726168 where head == 0x6574636172616863: .character
        case 0x6e6f6974616c6c6f where head == 0x6f6974616c6c6f63: .collation
        case 0x64657474696d6d6f where head == 0x657474696d6d6f63: .committed
        case 0x726574696d696c65 where head == 0x6574696d696c6564: .delimiter
        case 0x646574707972636e where head == 0x6574707972636e65: .encrypted
        case 0x676e6964756c6378 where head == 0x6e6964756c637865: .excluding
        case 0x65766973756c6378 where head == 0x766973756c637865: .exclusive
        case 0x6e6f69736e657478 where head == 0x6f69736e65747865: .extension
        case 0x676e69776f6c6c6f where head == 0x6e69776f6c6c6f66: .following
        case 0x736e6f6974636e75 where head == 0x6e6f6974636e7566: .functions
        case 0x6465746172656e65 where head == 0x65746172656e6567: .generated
        case 0x6574616964656d6d where head == 0x74616964656d6d69: .immediate
        case 0x656c626174756d6d where head == 0x6c626174756d6d69: .immutable
        case 0x676e6964756c636e where head == 0x6e6964756c636e69: .including
        case 0x746e656d6572636e where head == 0x6e656d6572636e69: .increment
        case 0x796c6c616974696e where head == 0x6c6c616974696e69: .initially
        case 0x746365737265746e where head == 0x6365737265746e69: .intersect
        case 0x6e6f6974616c6f73 where head == 0x6f6974616c6f7369: .isolation
        case 0x666f6f72706b6165 where head == 0x6f6f72706b61656c: .leakproof
        case 0x656d69746c61636f where head == 0x6d69746c61636f6c: .localtime
        case 0x657a696c616d726f where head == 0x7a696c616d726f6e: .normalize
        case 0x726574656d617261 where head == 0x6574656d61726170: .parameter
        case 0x6e6f697469747261 where head == 0x6f69746974726170: .partition
        case 0x676e696465636572 where head == 0x6e69646563657270: .preceding
        case 0x6e6f697369636572 where head == 0x6f69736963657270: .precision
        case 0x6572756465636f72 where head == 0x72756465636f7270: .procedure
        case 0x6576697372756365 where head == 0x7669737275636572: .recursive
        case 0x676e696e72757465 where head == 0x6e696e7275746572: .returning
        case 0x746e696f70657661 where head == 0x6e696f7065766173: .savepoint
        case 0x7365636e65757165 where head == 0x65636e6575716573: .sequences
        case 0x746e656d65746174 where head == 0x6e656d6574617473: .statement
        case 0x676e697274736275 where head == 0x6e69727473627573: .substring
        case 0x63697274656d6d79 where head == 0x697274656d6d7973: .symmetric
        case 0x797261726f706d65 where head == 0x7261726f706d6574: .temporary
        case 0x706d617473656d69 where head == 0x6d617473656d6974: .timestamp
        case 0x6d726f66736e6172 where head == 0x726f66736e617274: .transform
        case 0x6465646e756f626e where head == 0x65646e756f626e75: .unbounded
        case 0x726f746164696c61 where head == 0x6f746164696c6176: .validator
        case 0x7461636e6f636c6d where head == 0x61636e6f636c6d78: .xmlconcat
        case 0x7374736978656c6d where head == 0x74736978656c6d78: .xmlexists
        case 0x747365726f666c6d where head == 0x7365726f666c6d78: .xmlforest
        default: .identifier
        }
    }

    private static func lookup10(_ head: UInt64, _ tail: UInt64) -> Keyword {
        switch tail {
        case 0x6576697469736e65 where head == 0x697469736e657361: .asensitive
        case 0x746e656d6e676973 where head == 0x656d6e6769737361: .assignment
        case 0x63697274656d6d79 where head == 0x7274656d6d797361: .asymmetric
        case 0x746e696f706b6365 where head == 0x696f706b63656863: .checkpoint
        case 0x6e6f697463656e6e where head == 0x697463656e6e6f63: .connection
        case 0x746e69617274736e where head == 0x69617274736e6f63: .constraint
        case 0x6e6f69737265766e where head == 0x69737265766e6f63: .conversion
        case 0x657461636f6c6c61 where head == 0x61636f6c6c616564: .deallocate
        case 0x656c626172726566 where head == 0x6261727265666564: .deferrable
        case 0x73726574696d696c where head == 0x6574696d696c6564: .delimiters
        case 0x7972616e6f697463 where head == 0x616e6f6974636964: .dictionary
        case 0x6e6f697373657270 where head == 0x6973736572707865: .expression
        case 0x64657a696c616d72 where head == 0x7a696c616d726f6e: .normalized
        case 0x7974696c616e6964 where head == 0x696c616e6964726f: .ordinality
        case 0x676e696469727265 where head == 0x696469727265766f: .overriding
        case 0x736567656c697669 where head == 0x67656c6976697270: .privileges
        case 0x6c6172756465636f where head == 0x72756465636f7270: .procedural
        case 0x736572756465636f where head == 0x72756465636f7270: .procedures
        case 0x7365636e65726566 where head == 0x636e657265666572: .references
        case 0x656c626174616570 where head == 0x6261746165706572: .repeatable
        case 0x656e6f6c61646e61 where head == 0x6f6c61646e617473: .standalone
        case 0x7363697473697461 where head == 0x6974736974617473: .statistics
        case 0x6563617073656c62 where head == 0x617073656c626174: .tablespace
        case 0x6563617073657469 where head == 0x6170736574696877: .whitespace
        case 0x746e656d656c656c where head == 0x656d656c656c6d78: .xmlelement
        default: .identifier
        }
    }

    private static func lookup11(_ head: UInt64, _ tail: UInt64) -> Keyword {
        switch tail {
        case 0x6e6f697373657270 where head == 0x73736572706d6f63: .compression
        case 0x73746e6961727473 where head == 0x69617274736e6f63: .constraints
        case 0x6576697469736e65 where head == 0x7469736e65736e69: .insensitive
        case 0x6e6f69746163696c where head == 0x746163696c627570: .publication
        case 0x676e69636e657265 where head == 0x636e657265666572: .referencing
        case 0x656c706d6173656c where head == 0x6d6173656c626174: .tablesample
        case 0x6e6f69746361736e where head == 0x746361736e617274: .transaction
        case 0x64657474696d6d6f where head == 0x74696d6d6f636e75: .uncommitted
        case 0x646574707972636e where head == 0x707972636e656e75: .unencrypted
        default: .identifier
        }
    }

    private static func lookup12(_ head: UInt64, _ tail: UInt64) -> Keyword {
        switch tail {
        case 0x796c746e65727275 where head == 0x65727275636e6f63: .concurrently
        case 0x657461645f746e65 where head == 0x5f746e6572727563: .currentDate
        case 0x656c6f725f746e65 where head == 0x5f746e6572727563: .currentRole
        case 0x656d69745f746e65 where head == 0x5f746e6572727563: .currentTime
        case 0x726573755f746e65 where head == 0x5f746e6572727563: .currentUser
        case 0x64657a696c616972 where head == 0x6c6169726574616d: .materialized
        case 0x656c62617a696c61 where head == 0x7a696c6169726573: .serializable
        case 0x726573755f6e6f69 where head == 0x5f6e6f6973736573: .sessionUser
        case 0x6e6f697470697263 where head == 0x7069726373627573: .subscription
        case 0x657a696c61697265 where head == 0x61697265736c6d78: .xmlserialize
        default: .identifier
        }
    }

    private static func lookup13(_ head: UInt64, _ tail: UInt64) -> Keyword {
        switch tail {
        case 0x6e6f6974617a6972 where head == 0x7a69726f68747561: .authorization
        case 0x6e6f697461727567 where head == 0x72756769666e6f63: .configuration
        case 0x7365747562697274 where head == 0x69727474616c6d78: .xmlattributes
        case 0x736563617073656d where head == 0x73656d616e6c6d78: .xmlnamespaces
        default: .identifier
        }
    }

    private static func lookup14(_ head: UInt64, _ tail: UInt64) -> Keyword {
        switch tail {
        case 0x616d656863735f74 where head == 0x5f746e6572727563: .currentSchema
        case 0x706d617473656d69 where head == 0x6d69746c61636f6c: .localtimestamp
        default: .identifier
        }
    }

    private static func lookup15(_ head: UInt64, _ tail: UInt64) -> Keyword {
        switch tail {
        case 0x7363697473697265 where head == 0x6574636172616863: .characteristics
        case 0x676f6c617461635f where head == 0x5f746e6572727563: .currentCatalog
        default: .identifier
        }
    }

    private static func lookup17(_ head: UInt64, _ tail: UInt64) -> Keyword {
        switch tail {
        case 0x706d617473656d69 where head == 0x5f746e6572727563: .currentTimestamp
        default: .identifier
        }
    }
}
