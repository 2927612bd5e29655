package starrockssim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
)

// transaction is a load that the FE has committed: it has its place in the order of each partition's versions, and is
// visible once all before it are and a majority of the replicas has its rows.
type transaction struct {
	id, listener         int64
	db                   int64
	table                *table
	parts                []committedPart // nil once it is visible
	at, published, ended time.Time
	held                 bool   // CommitLoad: PUBLISH_VERSION is not sent yet
	message              string // why it is not visible yet
	label                string
	visible              bool
}

type committedPart struct {
	part     *partition
	version  int64
	segments []*segment // of all its tablets
}

// keptTransactions is how many visible transactions of a database SHOW PROC goes on showing.
const keptTransactions = 100

// CommitLoad commits rows like Load, but their transaction stays COMMITTED and not VISIBLE until publish is called, as
// when the backends are slow with PUBLISH_VERSION: SHOW PROC '/transactions/<db id>/running' shows it meanwhile, and
// later loads into its partitions wait behind it.
func (c *Cluster) CommitLoad(db, table string, rows ...[]string) (publish func(), err error) {
	c.mu.Lock()
	defer c.unlock()
	t, err := c.findTable(db, table)
	if err != nil {
		return nil, err
	}
	tx, err := c.commit(c.dbs[db].id, t, rows, nil)
	if err != nil {
		return nil, err
	}
	tx.held = true
	return func() {
		c.mu.Lock()
		defer c.unlock()
		tx.held = false
		c.publishAll()
	}, nil
}

// commit gives a load its versions; mu must be held.
func (c *Cluster) commit(db int64, t *table, rows [][]string, only []string) (*transaction, error) {
	if t.kind != kindTable || t.big != nil {
		return nil, plainError("the data of %s '%s' cannot be inserted into", strings.ToLower(t.kind), t.name)
	}
	if err := c.loadable(t); err != nil {
		return nil, err
	}
	loads, err := c.distribute(t, rows, only)
	if err != nil {
		return nil, err
	}
	return c.committed(db, t, loads), nil
}

func (c *Cluster) committed(db int64, t *table, loads []*partitionLoad) *transaction {
	now := time.Now().UTC()
	c.txns++
	tx := &transaction{id: c.txns, listener: c.nextID(), db: db, table: t, at: now, published: now, label: fmt.Sprintf("standin_39160_%d_%d", now.UnixMilli(), c.txns)}
	for _, pl := range loads {
		part := committedPart{part: pl.part, version: pl.part.next}
		for _, rows := range pl.buckets {
			part.segments = append(part.segments, newSegment(rows))
		}
		for _, r := range t.rollups {
			for _, rows := range pl.buckets {
				part.segments = append(part.segments, newSegment(r.rows(t, rows)))
			}
		}
		pl.part.next++
		tx.parts = append(tx.parts, part)
	}
	list := append(c.transactions[db], tx)
	if i := slices.IndexFunc(list, func(x *transaction) bool { return x.visible }); i >= 0 && len(list) > keptTransactions {
		list = slices.Delete(list, i, i+1)
	}
	c.transactions[db] = list
	return tx
}

// publishAll makes visible what can be, in the order of the commits; one may wait for another.
func (c *Cluster) publishAll() {
	for again := true; again; {
		again = false
		for _, list := range c.transactions {
			for _, tx := range list {
				if !tx.visible && !tx.held && c.publish(tx) {
					again = true
				}
			}
		}
	}
}

// publish tries to make one transaction visible. A version that has not its turn waits: after a RESTORE that set the
// partition back, for as long as it takes other loads to fill the gap (starrocks-measured, part B 23, 24).
func (c *Cluster) publish(tx *transaction) bool {
	tx.published = time.Now().UTC()
	parts := slices.DeleteFunc(slices.Clone(tx.parts), func(cp committedPart) bool { return !slices.Contains(tx.table.partitions, cp.part) })
	for _, cp := range parts {
		if cp.part.visible+1 != cp.version {
			tx.message = fmt.Sprintf("wait for publishing partition %d version %d. self version: %d. table %d", cp.part.physical, cp.part.visible+1, cp.version, tx.table.id)
			return false
		}
	}
	failed := ""
	for _, cp := range parts {
		if text := c.apply(tx.table, cp); text != "" && failed == "" {
			failed = text
		}
	}
	if tx.message = failed; failed != "" {
		return false
	}
	for _, cp := range parts {
		cp.part.visible, cp.part.data, cp.part.at = cp.version, cp.part.data+1, tx.published
		cp.part.next = max(cp.part.next, cp.version+1)
	}
	tx.visible, tx.parts, tx.ended = true, nil, tx.published
	return true
}

// apply brings a partition's rows to its replicas and says what is in the way of a majority.
func (c *Cluster) apply(t *table, cp committedPart) (failed string) {
	for i, tab := range cp.part.all() {
		good := 0
		for _, r := range tab.replicas {
			if i < len(cp.segments) && c.backend(r.backend).apply(tab.id, cp.version, cp.segments[i]) {
				r.version = max(r.version, cp.version)
				good++
			}
		}
		if quorum := len(tab.replicas)/2 + 1; good < quorum && failed == "" {
			failed = fmt.Sprintf("publish on tablet %d failed. succeed replica num %d less than quorum %d. table: %d, partition: %d, publish version: %d",
				tab.id, good, quorum, t.id, cp.part.physical, cp.version)
		}
	}
	return failed
}

// tablesOf answers SHOW PROC '/transactions/<db id>/running/<id>': by source, not measured.
func tablesOf(list []*transaction, id string) *mysqlwire.Result {
	var rows [][]any
	for _, tx := range list {
		if strconv.FormatInt(tx.id, 10) != id {
			continue
		}
		var partitions []string
		for _, cp := range tx.parts {
			partitions = append(partitions, strconv.FormatInt(cp.part.id, 10))
		}
		rows = append(rows, []any{tx.table.id, strings.Join(partitions, ", ")})
	}
	return answer(words("TableId CommittedPartitionIds"), rows)
}

// transactionProc answers SHOW PROC '/transactions[/<db id>[/running|finished[/<id>]]]'.
func (s *session) transactionProc(path []string) *mysqlwire.Result {
	c := s.c
	if len(path) == 0 {
		var rows [][]any
		for _, db := range c.sortedDatabases() {
			rows = append(rows, []any{db.id, db.name})
		}
		return answer(words("DbId DbName"), rows)
	}
	db, _ := strconv.ParseInt(path[0], 10, 64)
	list := c.transactions[db]
	count := func(visible bool) (n int) {
		for _, tx := range list {
			if tx.visible == visible {
				n++
			}
		}
		return n
	}
	if len(path) == 1 {
		return answer(words("State Number"), [][]any{{"running", count(false)}, {"finished", count(true)}})
	}
	if len(path) == 3 {
		return tablesOf(list, path[2])
	}
	var rows [][]any
	for _, tx := range slices.Backward(list) {
		if tx.visible != (path[1] == "finished") {
			continue
		}
		status := "COMMITTED"
		if tx.visible {
			status = "VISIBLE"
		}
		rows = append(rows, []any{tx.id, tx.label, "BE: 127.0.0.1", status, "BACKEND_STREAMING", s.time(tx.at), s.time(tx.at), s.time(tx.published), s.time(tx.ended),
			"", "0", fmt.Sprintf("[%d]", tx.listener), "600000", tx.message})
	}
	return answer(txnColumns, rows)
}
