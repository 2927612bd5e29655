package starrockssim

import "testing"

// TestMurmurHash: the examples of StarRocks' documentation, and what stands around it in a fingerprint.
func TestMurmurHash(t *testing.T) {
	c, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for sql, want := range map[string]string{
		"SELECT murmur_hash3_32('hello')":                           "1321743225",
		"SELECT murmur_hash3_32('hello', 'world')":                  "984713481",
		"SELECT IFNULL(CAST(murmur_hash3_32(NULL) AS STRING), 'N')": "N",
		"SELECT CONCAT_WS(',', 'a', NULL, CAST(12 AS STRING))":      "a,12",
		"SELECT -35 % 16": "-3",
	} {
		rows, err := c.Query(sql)
		if err != nil || len(rows) != 1 || rows[0][0] != want {
			t.Errorf("%s: %v, %v; want %s", sql, rows, err, want)
		}
	}
}
