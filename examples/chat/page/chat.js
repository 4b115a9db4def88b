// The page: it shows what its user's actor tells it. Everything that anybody wrote is shown as text, never as markup.

const $ = (id) => document.getElementById(id);
const SHOWN = 500;        // posts and news that stay on the page
const LONGEST_WAIT = 15;  // seconds between two attempts to come back

let me = "", room = "", socket = null, attempts = 0, restarts = 0, members = [];

// -- showing

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function named(tag, nick) {
  const made = element(tag, "name", nick);
  let hue = 7;
  for (const letter of nick) hue = (hue * 61 + letter.codePointAt(0) * 137) % 360;
  made.style.setProperty("--hue", hue);
  return made;
}

function show(item) {
  const posts = $("posts");
  const atEnd = posts.scrollHeight - posts.scrollTop - posts.clientHeight < 40;
  posts.append(item);
  while (posts.children.length > SHOWN) posts.firstChild.remove();
  if (atEnd) posts.scrollTop = posts.scrollHeight;
}

function showPost(post) {
  const item = element("li", post.nick === me ? "post mine" : "post");
  const by = element("div", "by");
  const when = element("time", "", new Date(post.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  when.dateTime = new Date(post.at).toISOString();
  by.append(named("span", post.nick), when);
  item.append(by, element("div", "text", post.text));
  item.dataset.n = post.n;
  show(item);
}

const showNews = (text, kind = "") => show(element("li", `news ${kind}`, text));

function showStatus(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
  $("kill").disabled = state !== "here";
}

function showMembers() {
  $("members").replaceChildren(...[...members].sort((a, b) => a.localeCompare(b)).map((nick) => named("li", nick)));
  $("count").textContent = `· ${members.length}`;
}

// -- what the user's actor tells

const events = {
  welcome(event) {
    attempts = 0;
    $("posts").ariaBusy = "true";  // a screen reader is not to read all of it out again
    $("posts").replaceChildren();  // what follows comes from the room's memory, not from this page's
    event.posts.forEach(showPost);
    $("posts").ariaBusy = "false";
    if (event.restarts > restarts) {
      const memory = event.posts.length === 1 ? "1 message" : `${event.posts.length} messages`;
      showNews(`The room was ${event.why} and started again. It remembers ${memory}.`, "back");
    }
    restarts = event.restarts;
    members = event.members;
    showMembers();
    showStatus("here", restarts === 0 ? "running" : `running, restart ${restarts}`);
    enter();
  },
  post: showPost,
  joined({ nick }) { members.push(nick); showMembers(); showNews(`${nick} came in`); },
  left({ nick }) { members = members.filter((known) => known !== nick); showMembers(); showNews(`${nick} left`); },
  away({ why }) { showStatus("away", "restarting"); showNews(`The room was ${why}.`, "killed"); },
  notice({ text }) { showNews(text, "killed"); },
};

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const query = new URLSearchParams({ nick: me });
  socket = new WebSocket(`${scheme}://${location.host}/api/rooms/${encodeURIComponent(room)}/talk?${query}`);
  socket.onmessage = ({ data }) => JSON.parse(data).forEach((event) => events[event.type]?.(event));
  socket.onclose = ({ code, reason }) => {
    socket = null;
    if (code === 1008) return leave(reason);  // refused: trying again would not help
    attempts += 1;
    const wait = Math.min(LONGEST_WAIT, 2 ** attempts / 4) * (0.5 + Math.random());
    showStatus("lost", "reconnecting");
    if ($("chat").hidden && attempts > 3) return leave(reason || "the chat cannot be reached");
    setTimeout(connect, wait * 1000);
  };
}

// -- the door

function enter() {
  if (!$("chat").hidden) return;
  $("door").hidden = true;
  $("chat").hidden = false;
  $("title").textContent = `#${room}`;
  document.title = `#${room} · actorpar chat`;
  $("posts").scrollTop = $("posts").scrollHeight;
  $("text").focus();
}

function leave(reason) {
  $("chat").hidden = true;
  $("door").hidden = false;
  $("refusal").textContent = reason;
  $("join").elements.nick.focus();
}

$("join").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  me = $("nick").value.normalize("NFKC").trim();
  room = $("room").value;
  attempts = restarts = 0;
  $("refusal").textContent = "";
  connect();
});

$("compose").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  const text = $("text").value;
  if (socket?.readyState !== WebSocket.OPEN || !text.trim()) return;
  socket.send(text);
  $("text").value = "";
});

$("kill").addEventListener("click", async () => {
  $("kill").disabled = true;
  try {
    const answer = await fetch(`/api/rooms/${encodeURIComponent(room)}/kill`, { method: "POST" });
    if (!answer.ok) showNews((await answer.text()).trim(), "killed");
  } finally {
    $("kill").disabled = $("status").dataset.state !== "here";
  }
  $("text").focus();
});
