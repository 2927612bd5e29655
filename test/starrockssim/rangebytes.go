package starrockssim

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// The FE stores a range in __meta as the bytes of its Java stream: per bound a flag, whether it is closed, the number
// of keys, and per key the type's name, whether it is MAXVALUE, and the value.

func encodeRange(t *table, p *partition) []int8 {
	var b []byte
	b = appendBound(append(b, 1, 1), t, p.lower)
	b = appendBound(append(b, 1, 0), t, p.upper)
	out := make([]int8, len(b))
	for i := range b {
		out[i] = int8(b[i])
	}
	return out
}

func appendBound(b []byte, t *table, values []string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(values)))
	for i, v := range values {
		typ := t.columns[t.columnIndex(t.part.columns[i])].typ
		name := metaTypeOf(typ).Type
		b = appendText(b, name)
		if v == maxValue {
			b = append(b, 1)
			continue
		}
		b = appendKey(append(b, 0), name, v)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

func appendKey(b []byte, typ, v string) []byte {
	switch typ {
	case "DATE", "DATETIME":
		t, _ := parseTime(v)
		if strings.HasPrefix(v, "0000-") {
			t = time.Time{}.AddDate(-1, 0, 0) // the year 0
		}
		mark := uint16(0)
		if typ == "DATE" {
			mark = 1
		}
		ymd := int64((t.Year()*13+int(t.Month()))<<5 | t.Day())
		if v == shadowBound {
			ymd = 0
		}
		hms := int64(t.Hour()<<12 | t.Minute()<<6 | t.Second())
		b = binary.BigEndian.AppendUint16(b, mark)
		return binary.BigEndian.AppendUint64(b, uint64((ymd<<17|hms)<<24))
	case "TINYINT", "SMALLINT", "INT", "BIGINT":
		n, _ := new(big.Int).SetString(v, 10)
		if n == nil {
			n = new(big.Int)
		}
		return binary.BigEndian.AppendUint64(b, uint64(n.Int64()))
	}
	return appendText(b, v)
}

// shadowBound is both bounds of the shadow partition of an automatic table.
const shadowBound = "0000-00-00 00:00:00"

func decodeRange(raw []int8, p *partition) error {
	b := make([]byte, len(raw))
	for i := range raw {
		b[i] = byte(raw[i])
	}
	r := rangeReader{b: b}
	r.take(2)
	p.lower = r.bound()
	r.take(2)
	p.upper = r.bound()
	if r.bad {
		return fmt.Errorf("%w: range of partition %s", errMeta, p.name)
	}
	return nil
}

type rangeReader struct {
	b   []byte
	bad bool
}

func (r *rangeReader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return make([]byte, 8)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *rangeReader) text() string { return string(r.take(int(binary.BigEndian.Uint32(r.take(4))))) }

func (r *rangeReader) bound() []string {
	n := int(binary.BigEndian.Uint32(r.take(4)))
	var values []string
	for i := 0; i < n && !r.bad; i++ {
		typ := r.text()
		if r.take(1)[0] == 1 {
			values = append(values, maxValue)
			continue
		}
		values = append(values, r.key(typ))
	}
	return values
}

func (r *rangeReader) key(typ string) string {
	switch typ {
	case "DATE", "DATETIME":
		r.take(2)
		packed := int64(binary.BigEndian.Uint64(r.take(8))) >> 24
		if packed == 0 {
			return shadowBound
		}
		ymd, hms := packed>>17, packed&(1<<17-1)
		ym := ymd >> 5
		v := fmt.Sprintf("%04d-%02d-%02d", ym/13, ym%13, ymd&31)
		if typ == "DATETIME" {
			v += fmt.Sprintf(" %02d:%02d:%02d", hms>>12, hms>>6&63, hms&63)
		}
		return v
	case "TINYINT", "SMALLINT", "INT", "BIGINT":
		return fmt.Sprint(int64(binary.BigEndian.Uint64(r.take(8))))
	}
	return r.text()
}
