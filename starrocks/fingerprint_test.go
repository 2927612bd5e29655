package starrocks

import (
	"errors"
	"slices"
	"testing"
)

func TestColumnsForFingerprint(t *testing.T) {
	const ddl = "CREATE TABLE `t` (\n  `k` largeint(40) NOT NULL COMMENT \"\",\n  `d` decimal(10, 2) NULL COMMENT \"a `b` c\",\n  `f` double NULL COMMENT \"\",\n  `j` json NULL COMMENT \"\",\n" +
		"  `a` array<varchar(10)> NULL COMMENT \"\",\n  `s` struct<x int(11), y int(11)> NULL COMMENT \"\",\n  `h` hll HLL_UNION NOT NULL COMMENT \"\",\n  `v` varchar(65533) REPLACE NULL COMMENT \"\",\n  INDEX i (`v`) USING BITMAP COMMENT ''\n) ENGINE=OLAP \nAGGREGATE KEY(`k`)\nDISTRIBUTED BY HASH(`k`) BUCKETS 2 \nPROPERTIES (\n\"replication_num\" = \"1\"\n);"
	got := ColumnsForFingerprint(ddl)
	if !slices.Equal(got.Columns, []string{"k", "d", "v"}) || !slices.Equal(got.Sample, []string{"k"}) || !slices.Equal(got.LeftOut, []string{"f", "j", "a", "s", "h"}) {
		t.Errorf("%+v", got)
	}
}

func TestFingerprintStatement(t *testing.T) {
	got, err := fingerprintSQL("d", "t", "p", FingerprintColumns{Columns: []string{"a", "b"}, Sample: []string{"a"}}, true)
	const a, b = "IFNULL(CAST(murmur_hash3_32(CAST(`a` AS STRING)) AS STRING), 'N')", "IFNULL(CAST(murmur_hash3_32(CAST(`b` AS STRING)) AS STRING), 'N')"
	const want = "SELECT /*+ SET_VAR(query_timeout = 7200) */ COUNT(*), SUM(murmur_hash3_32(CONCAT_WS(',', " + a + ", " + b + "))), SUM(murmur_hash3_32(CONCAT('second ', CONCAT_WS(',', " + a + ", " + b + ")))) FROM `d`.`t` PARTITION (`p`)" +
		" WHERE murmur_hash3_32(CONCAT('sample ', CONCAT_WS(',', " + a + "))) % 16 = 0"
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	for _, bad := range []FingerprintColumns{{}, {Columns: []string{"a`b"}}} {
		if _, err := fingerprintSQL("d", "t", "p", bad, false); !errors.Is(err, ErrInvalidName) && !errors.Is(err, ErrInvalidStatement) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
