package starrocks

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FingerprintColumns are the columns of a table whose values a fingerprint takes in.
type FingerprintColumns struct {
	Columns []string // hashed
	Sample  []string // of Columns: they decide which rows a sample holds
	LeftOut []string // of types whose text is not the same everywhere: floating point, JSON, BITMAP, HLL, nested types, …
}

// ColumnsForFingerprint reads a SHOW CREATE TABLE. Sample are the key columns, as far as they can be hashed; all columns
// of the fingerprint where none of them can.
func ColumnsForFingerprint(ddl string) FingerprintColumns {
	d := ParseDefinition(ddl)
	var out FingerprintColumns
	for _, c := range d.Columns {
		if !hashable(c.Type) {
			out.LeftOut = append(out.LeftOut, c.Name)
			continue
		}
		out.Columns = append(out.Columns, c.Name)
		if slices.Contains(d.Keys, c.Name) {
			out.Sample = append(out.Sample, c.Name)
		}
	}
	if len(out.Sample) == 0 {
		out.Sample = out.Columns
	}
	return out
}

// hashable tells types whose CAST to text is exact and the same in every version.
func hashable(typ string) bool {
	base, _, _ := strings.Cut(strings.ToLower(typ), "(")
	switch base {
	case "tinyint", "smallint", "int", "integer", "bigint", "largeint", "boolean", "date", "datetime", "char", "varchar", "string",
		"decimal", "decimalv2", "decimal32", "decimal64", "decimal128":
		return true
	}
	return false
}

// RowsFingerprint is what the rows of a partition add up to, in whatever order they are read.
type RowsFingerprint struct {
	Rows        int64  // taken in
	Sum, Second string // sums of two different 32-bit hashes of each row, as decimal numbers
}

// fingerprintTimeout bounds the reading of one partition, on our side and, by the hint, on StarRocks'.
const fingerprintTimeout = 2 * time.Hour

// sampled is one row in how many a sample holds.
const sampled = 16

// Fingerprint reads the rows of a partition, all or a sample, and sums up two hashes of each. The functions it uses exist
// from StarRocks 2.5 on: murmur_hash3_32 of one text, CONCAT_WS, IFNULL. Each column is hashed alone first: a row's text
// stays short however long its values are, NULL is told from any text, and no value can pretend to be two.
func (c *Client) Fingerprint(ctx context.Context, database, table, partition string, columns FingerprintColumns, sample bool) (RowsFingerprint, error) {
	text, err := fingerprintSQL(database, table, partition, columns, sample)
	if err != nil {
		return RowsFingerprint{}, err
	}
	target := database + "." + table + "/" + partition
	t, err := c.query(ctx, call{op: "fingerprint", target: target, sql: text, timeout: fingerprintTimeout})
	if err != nil {
		return RowsFingerprint{}, err
	}
	if len(t.rows) != 1 || len(t.rows[0].values) != 3 {
		return RowsFingerprint{}, fmt.Errorf("fingerprint of %s: %d rows in the answer", target, len(t.rows))
	}
	v := t.rows[0].values
	rows, err := strconv.ParseInt(v[0].String, 10, 64)
	return RowsFingerprint{Rows: rows, Sum: orZero(v[1].String), Second: orZero(v[2].String)}, err
}

// orZero: the sum of no rows is NULL.
func orZero(sum string) string {
	if sum == "" {
		return "0"
	}
	return sum
}

func fingerprintSQL(database, table, partition string, columns FingerprintColumns, sample bool) (string, error) {
	name, err := qualified(database, "table", table)
	if err != nil {
		return "", err
	}
	p, err := identifier("partition", partition)
	if err != nil {
		return "", err
	}
	row, err := rowText(columns.Columns)
	if err != nil {
		return "", err
	}
	text := "SELECT /*+ SET_VAR(query_timeout = " + strconv.Itoa(int(fingerprintTimeout/time.Second)) + ") */ COUNT(*), SUM(murmur_hash3_32(" + row + ")), SUM(murmur_hash3_32(CONCAT('second ', " + row + "))) FROM " + name + " PARTITION (" + p + ")"
	if !sample {
		return text, nil
	}
	chosen, err := rowText(columns.Sample)
	if err != nil {
		return "", err
	}
	return text + " WHERE murmur_hash3_32(CONCAT('sample ', " + chosen + ")) % " + strconv.Itoa(sampled) + " = 0", nil
}

// rowText is an expression that is different for different rows.
func rowText(columns []string) (string, error) {
	if len(columns) == 0 {
		return "", fmt.Errorf("a fingerprint of no columns: %w", ErrInvalidStatement)
	}
	hashes := make([]string, len(columns))
	for i, column := range columns {
		name, err := identifier("column", column)
		if err != nil {
			return "", err
		}
		hashes[i] = "IFNULL(CAST(murmur_hash3_32(CAST(" + name + " AS STRING)) AS STRING), 'N')"
	}
	return "CONCAT_WS(',', " + strings.Join(hashes, ", ") + ")", nil
}
