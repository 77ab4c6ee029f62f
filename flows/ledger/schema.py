"""The tables of the ledger, in the SQL that SQLite and PostgreSQL share."""

VERSION = 6

TABLES = (
    "CREATE TABLE IF NOT EXISTS ledger (version INTEGER NOT NULL, installation TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS runs (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        connector TEXT NOT NULL,
        folder TEXT NOT NULL,
        flow_run TEXT NOT NULL,
        status TEXT NOT NULL,
        message TEXT NOT NULL,
        created DOUBLE PRECISION NOT NULL,
        ended DOUBLE PRECISION,
        request TEXT NOT NULL,
        state TEXT NOT NULL,
        owner TEXT,
        lease_until DOUBLE PRECISION NOT NULL,
        cancel INTEGER NOT NULL,
        kind TEXT NOT NULL,
        parent TEXT NOT NULL,
        number INTEGER NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS hosts (
        run TEXT NOT NULL,
        id TEXT NOT NULL,
        address TEXT NOT NULL,
        slots INTEGER NOT NULL,
        status TEXT NOT NULL,
        note TEXT NOT NULL,
        machine TEXT NOT NULL,
        size TEXT NOT NULL,
        price DOUBLE PRECISION NOT NULL,
        asked DOUBLE PRECISION NOT NULL,
        gone DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (run, id)
    )""",
    """CREATE TABLE IF NOT EXISTS tasks (
        run TEXT NOT NULL,
        id INTEGER NOT NULL,
        iteration INTEGER NOT NULL,
        start_point INTEGER NOT NULL,
        point TEXT NOT NULL,
        status TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        host TEXT NOT NULL,
        batch TEXT NOT NULL,
        exit_code INTEGER,
        reason TEXT NOT NULL,
        results TEXT NOT NULL,
        forgiven INTEGER NOT NULL,
        time_growth INTEGER NOT NULL,
        memory_growth INTEGER NOT NULL,
        started DOUBLE PRECISION NOT NULL,
        ended DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (run, id)
    )""",
    """CREATE TABLE IF NOT EXISTS history (
        run TEXT NOT NULL,
        at DOUBLE PRECISION NOT NULL,
        level TEXT NOT NULL,
        message TEXT NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS presets (
        connector TEXT NOT NULL,
        name TEXT NOT NULL,
        request TEXT NOT NULL,
        PRIMARY KEY (connector, name)
    )""",
    """CREATE TABLE IF NOT EXISTS task_keys (
        run TEXT NOT NULL,
        task INTEGER NOT NULL,
        key TEXT NOT NULL,
        output TEXT NOT NULL,
        PRIMARY KEY (run, task)
    )""",
    """CREATE TABLE IF NOT EXISTS curations (
        run TEXT NOT NULL,
        repository TEXT NOT NULL,
        status TEXT NOT NULL,
        message TEXT NOT NULL,
        url TEXT NOT NULL,
        at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (run, repository)
    )""",
    """CREATE TABLE IF NOT EXISTS curated (
        run TEXT NOT NULL,
        repository TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (run, repository, key)
    )""",
    """CREATE TABLE IF NOT EXISTS files (
        run TEXT NOT NULL,
        place TEXT NOT NULL,
        listing TEXT NOT NULL,
        PRIMARY KEY (run, place)
    )""",
    "CREATE INDEX IF NOT EXISTS runs_of_sweep ON runs (parent, number)",
    "CREATE INDEX IF NOT EXISTS history_of_run ON history (run, at)",
    "CREATE INDEX IF NOT EXISTS tasks_of_key ON task_keys (key)",
)
