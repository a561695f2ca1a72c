package localdynamo

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// silent is a server in memory without its HTTP side, with a table that has indexes of both kinds.
func silent(t testing.TB) *Server {
	t.Helper()
	s, err := start(t.Context(), Options{Region: "us-east-1", Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, "http://127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.finish(); err != nil {
			t.Error(err)
		}
	})
	return s
}

const fuzzTable = `{"TableName":"things","BillingMode":"PAY_PER_REQUEST",
	"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],
	"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"},{"AttributeName":"g","AttributeType":"B"}],
	"GlobalSecondaryIndexes":[{"IndexName":"by-g","KeySchema":[{"AttributeName":"g","KeyType":"HASH"}],"Projection":{"ProjectionType":"KEYS_ONLY"}}],
	"LocalSecondaryIndexes":[{"IndexName":"own-g","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"g","KeyType":"RANGE"}],"Projection":{"ProjectionType":"ALL"}}]}`

// FuzzOperations gives every operation hostile JSON: it must answer, or refuse in DynamoDB's words, and never panic, fail
// inside or answer with something that is no JSON. Items and indexes must agree afterwards.
func FuzzOperations(f *testing.F) {
	names := []string{}
	for name := range operations() {
		names = append(names, name)
	}
	slices.Sort(names)
	key := `"Key":{"pk":{"S":"a"},"sk":{"N":"1"}}`
	for i := range names {
		for _, body := range []string{`{}`, `{"TableName":"things"}`, fuzzTable,
			`{"TableName":"things","Item":{"pk":{"S":"a"},"sk":{"N":"1"},"g":{"B":"AA=="},"l":{"L":[{"M":{"a":{"SS":["x"]}}}]}},"ConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"N":"1"}}}`,
			`{"TableName":"things",` + key + `,"UpdateExpression":"SET a = :a, l[0].x = if_not_exists(b, :a) REMOVE c ADD d :a DELETE e :s","ExpressionAttributeValues":{":a":{"N":"1"},":s":{"SS":["a"]}},"ReturnValues":"UPDATED_NEW"}`,
			`{"TableName":"things",` + key + `,"ProjectionExpression":"a.b[1], #n","ExpressionAttributeNames":{"#n":"x"},"ReturnConsumedCapacity":"INDEXES"}`,
			`{"TableName":"things","IndexName":"by-g","KeyConditionExpression":"g = :g","FilterExpression":"size(pk) > :n","ExpressionAttributeValues":{":g":{"B":"AA=="},":n":{"N":"1"}},"Limit":1}`,
			`{"TableName":"things","IndexName":"own-g","KeyConditionExpression":"pk = :p AND begins_with(g, :g)","ExpressionAttributeValues":{":g":{"B":"/w=="},":p":{"S":"a"}},"ScanIndexForward":false,"ExclusiveStartKey":{"pk":{"S":"a"},"sk":{"N":"1"},"g":{"B":"//8="}}}`,
			`{"TableName":"things","Segment":1,"TotalSegments":2,"Select":"COUNT"}`,
			`{"RequestItems":{"things":[{"PutRequest":{"Item":{"pk":{"S":"a"},"sk":{"N":"2"}}}},{"DeleteRequest":{` + key + `}}]}}`,
			`{"RequestItems":{"things":{"Keys":[{"pk":{"S":"a"},"sk":{"N":"1"}}]}}}`,
			`{"TransactItems":[{"Put":{"TableName":"things","Item":{"pk":{"S":"a"},"sk":{"N":"1"}}}},{"ConditionCheck":{"TableName":"things","Key":{"pk":{"S":"b"},"sk":{"N":"1"}},"ConditionExpression":"attribute_exists(pk)"}}],"ClientRequestToken":"x"}`,
			`{"TransactItems":[{"Get":{"TableName":"things",` + key + `}}]}`,
			`{"TableName":"things","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"x"}}`,
		} {
			f.Add(uint8(i), []byte(body))
		}
	}
	s := silent(f)
	f.Fuzz(func(t *testing.T, operation uint8, body []byte) {
		if len(body) > maxRequestBytes {
			return
		}
		var refusal *apiError
		if _, err := s.ops["CreateTable"](t.Context(), s, []byte(fuzzTable)); err != nil && (!errors.As(err, &refusal) || !refusal.is("ResourceInUseException")) {
			t.Fatal(err)
		}
		answer, err := s.ops[names[int(operation)%len(names)]](t.Context(), s, body)
		if err != nil {
			if !errors.As(err, &refusal) {
				t.Fatalf("%q failed inside: %v", body, err)
			}
			answer = refusal.body()
		}
		if _, err := json.Marshal(answer); err != nil {
			t.Fatal(err)
		}
		checkIndexes(t, s)
	})
}

// checkIndexes wants every item that has an index's key in that index, and nothing else there.
func checkIndexes(t *testing.T, s *Server) {
	t.Helper()
	for _, table := range s.tables {
		want := map[int]int{}
		err := s.db.each(`SELECT id, data FROM item WHERE tab = ?`, func(_ int64, it item) {
			for _, x := range table.indexes {
				if x.holds(it) {
					want[x.number]++
				}
			}
		}, table.id)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range table.indexes {
			var got int
			err := s.db.Conn().QueryRowContext(t.Context(), `SELECT count(*) FROM entry JOIN item ON item.id = entry.item
				AND item.tab = entry.tab AND item.hash = entry.pk AND item.sort = entry.sk WHERE entry.tab = ? AND number = ?`, table.id, x.number).Scan(&got)
			if err != nil || got != want[x.number] {
				t.Fatalf("index %s has %d items, want %d: %v", x.name, got, want[x.number], err)
			}
		}
	}
}

// FuzzExpressions gives the parsers hostile text: they must parse or refuse, and what was parsed must work on any item.
func FuzzExpressions(f *testing.F) {
	for _, text := range []string{"a = :v", "NOT (a.b[3] <> :v AND size(#n) IN (:v, b)) OR a BETWEEN :v AND :w", "attribute_type(a, :s)", "contains(a, :v)",
		"SET a = if_not_exists(b, :v) + :v, l[1] = list_append(l, :l) REMOVE c, d.e ADD n :v DELETE s :ss", "SET l[0] = :v, b.c = :v", "a, b.c, #n[0][1]", "((((a", "pk = :s AND begins_with(sk, :s)", "é☃\x00"} {
		f.Add(text, `{"a":{"N":"1"},"b":{"M":{"c":{"L":[]}}},"l":{"L":[{"S":"x"}]},"s":{"SS":["a","b"]},"n":{"N":"2"}}`)
	}
	values := boundValues{}
	if err := json.Unmarshal([]byte(`{":v":{"N":"5"},":w":{"N":"9"},":s":{"S":"S"},":l":{"L":[{"N":"1"}]},":ss":{"SS":["a"]}}`), &values); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, document string) {
		var it item
		if json.Unmarshal([]byte(document), &it) != nil {
			return
		}
		before := string(appendItem(nil, it))
		in := expressionInput{map[string]string{"#n": "name"}, values}
		ph, err := in.placeholders(true, "")
		if err != nil {
			t.Fatal(err)
		}
		var refusal *apiError
		check := func(err error) {
			if err != nil && !errors.As(err, &refusal) {
				t.Fatalf("%q: %v", text, err)
			}
		}
		if c, err := parseCondition("ConditionExpression", text, ph); err == nil {
			c.holds(it)
			c.holds(nil)
			attributes(c)
			_, err = newKeyRange(c, keySchema{keyPart{"pk", "S"}, keyPart{"sk", "S"}})
			check(err)
		} else {
			check(err)
		}
		if paths, err := parseProjection(text, ph); err == nil {
			project(paths, it)
		} else {
			check(err)
		}
		if u, err := parseUpdate(text, ph); err == nil {
			_, err = u.apply(it)
			check(err)
		} else {
			check(err)
		}
		if after := string(appendItem(nil, it)); after != before {
			t.Fatalf("%q changed the item %s to %s", text, before, after)
		}
	})
}

// FuzzNumbers compares numbers, their keys and their sums with math/big.
func FuzzNumbers(f *testing.F) {
	for _, pair := range [][2]string{{"1", "2"}, {"-1.5", "1e-130"}, {"9.99E125", "-9.99E125"}, {"0", "-0"}, {"12345678901234567890123456789012345678", "0.1"},
		{"100", "99.99"}, {"-12", "-123"}, {".5", "5."}, {"+1", "00010E-1"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		n, err := parseNumber(a)
		m, err2 := parseNumber(b)
		if err != nil || err2 != nil {
			return
		}
		x, y := rat(t, n.String()), rat(t, m.String())
		if len(a) < 200 && !strings.ContainsAny(a, "eE") && x.Cmp(rat(t, a)) != 0 {
			t.Fatalf("%s became %s", a, n)
		}
		v, w := value{kind: kindNumber, number: n}, value{kind: kindNumber, number: m}
		if v.compare(w) != x.Cmp(y) || v.equal(w) != (x.Cmp(y) == 0) {
			t.Fatalf("%s and %s compare as %d", n, m, v.compare(w))
		}
		if again, err := parseNumber(n.String()); err != nil || again != n {
			t.Fatalf("%s is read as %+v, %v", n, again, err)
		}
		for _, minus := range []bool{false, true} {
			sum, err := n.plus(m, minus)
			want := new(big.Rat).Add(x, y)
			if minus {
				want.Sub(x, y)
			}
			if err == nil && rat(t, sum.String()).Cmp(want) != 0 {
				t.Fatalf("%s and %s make %s", n, m, sum)
			}
		}
	})
}

func rat(t *testing.T, s string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("%q is no number", s)
	}
	return r
}
