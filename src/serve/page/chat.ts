/** What the page does: it connects the views with the conversation, its store and the API. */
import { type Api, ApiFailure } from './api.ts';
import { Composer } from './composer.ts';
import {
  type AnswerTurn,
  addTurn,
  type Conversation,
  childrenOf,
  choose,
  type GivenFeedback,
  messagesOf,
  newConversation,
  newId,
  type Pair,
  pairOf,
  pathTo,
  repair,
  shownPath,
  type Turn,
  turnOf,
  type UserTurn,
} from './conversation.ts';
import { announce, byId, el } from './dom.ts';
import { failureView } from './failure-view.ts';
import { Generation } from './generation.ts';
import { Judgement } from './judgement.ts';
import { PairView, pairKey, type Verdict } from './pair-view.ts';
import { requestBody, type Settings } from './request.ts';
import { Sidebar } from './sidebar.ts';
import type { ConversationStore } from './store.ts';
import { type Entry, ThreadView } from './thread-view.ts';
import {
  AnswerView,
  isWhole,
  type ThreadActions,
  type ThreadState,
  UserView,
  type View,
} from './turn-views.ts';

/** Characters of an answer that screen readers are told when it is complete. */
const MAX_ANNOUNCED = 600;
/** The conversation that a reload opens again, in the storage of the tab. */
const OPEN = 'athanor.open';

export interface ChatOptions {
  api: Api;
  store: ConversationStore;
  settings: Settings;
  /** Takes a key that was entered, and then calls `retry`. */
  useKey(key: string, isKept: boolean): void;
}

export class Chat implements ThreadActions {
  settings: Settings;
  readonly #api: Api;
  readonly #store: ConversationStore;
  readonly #judgement: Judgement;
  readonly #useKey: ChatOptions['useKey'];
  readonly #thread: ThreadView;
  readonly #composer: Composer;
  readonly #sidebar: Sidebar;
  readonly #title = byId('title', HTMLElement);
  readonly #modelName = byId('model', HTMLElement);
  /** By conversation; they go on while another conversation is shown. */
  readonly #running = new Map<string, Generation>();
  readonly #failures = new Map<string, ApiFailure>();
  #connection: ApiFailure | undefined;
  #model: string | undefined;
  #conversation: Conversation;
  /** Two answers that are compared on request. */
  #compared: Pair | undefined;
  #frame = 0;

  constructor({ api, store, settings, useKey }: ChatOptions) {
    this.#api = api;
    this.#store = store;
    this.#useKey = useKey;
    this.settings = settings;
    this.#judgement = new Judgement(api, () => this.settings.user);
    this.#conversation = newConversation(settings.system, Date.now());
    this.#thread = new ThreadView(
      byId('thread', HTMLElement),
      byId('scroller', HTMLElement),
      byId('latest', HTMLButtonElement),
    );
    this.#composer = new Composer({
      send: (text, answers) => this.#send(text, answers),
      stop: () => this.stop(),
    });
    this.#sidebar = new Sidebar({ open: (id) => void this.open(id), begin: () => this.begin() });
    store.onChange(() => void this.#list());
  }

  /** Whether the server records feedback; undefined until it is known. */
  get takesFeedback(): boolean | undefined {
    return this.#judgement.isRecorded;
  }

  get conversation(): Conversation {
    return this.#conversation;
  }

  /** Opens the conversation that was open before, and asks the server for its model. */
  async start(): Promise<void> {
    const open = sessionStorage.getItem(OPEN);
    if (open !== null) await this.open(open);
    this.#show();
    await Promise.all([this.connect(), this.#list()]);
  }

  /** Asks for the model's name: so a missing key is seen before a message is written. */
  async connect(): Promise<void> {
    try {
      this.#model = await this.#api.model();
      this.#connection = undefined;
    } catch (error) {
      this.#connection = error instanceof ApiFailure ? error : undefined;
    }
    this.#show();
    await this.#learnOfFeedback();
  }

  /** Begins a new conversation. */
  begin(): void {
    this.#open(newConversation(this.settings.system, Date.now()));
    this.#composer.focus();
  }

  async open(id: string): Promise<void> {
    const conversation = this.#running.get(id)?.conversation ?? (await this.#store.load(id));
    if (!conversation) return;
    if (!this.#running.has(id)) repair(conversation);
    this.#open(conversation);
  }

  #open(conversation: Conversation): void {
    this.#conversation = conversation;
    this.#compared = undefined;
    sessionStorage.setItem(OPEN, conversation.id);
    this.#thread.clear();
    this.#show();
    this.#thread.toEnd();
    void this.#list();
    if (this.#model !== undefined) void this.#learnOfFeedback();
  }

  /** Moves the focus from message to message. */
  move(step: 1 | -1): void {
    this.#thread.move(step);
  }

  stop(): void {
    this.#running.get(this.#conversation.id)?.stop();
  }

  get isRunning(): boolean {
    return this.#running.has(this.#conversation.id);
  }

  setSystem(system: string): void {
    this.#conversation.system = system;
    if (this.#conversation.turns.length > 0) void this.#save(this.#conversation);
  }

  rename(title: string): void {
    this.#conversation.title = title;
    void this.#save(this.#conversation);
    this.#show();
  }

  async remove(): Promise<void> {
    this.stop();
    const { id } = this.#conversation;
    this.#running.delete(id);
    await this.#store.remove(id);
    this.begin();
  }

  async removeAll(): Promise<void> {
    for (const generation of this.#running.values()) generation.stop();
    this.#running.clear();
    await this.#store.clear();
    this.begin();
  }

  /** After the key changed. */
  async retry(): Promise<void> {
    const last = shownPath(this.#conversation).at(-1);
    const isUnanswered = this.#failures.has(this.#conversation.id) && last?.kind === 'user';
    await this.connect();
    if (isUnanswered && !this.#connection) await this.#answer(last.id, 1);
  }

  edit(turn: UserTurn, text: string): void {
    const edited: UserTurn = { ...turn, id: newId(), text, createdAt: Date.now() };
    addTurn(this.#conversation, edited);
    void this.#answer(edited.id, 1);
  }

  choose(turn: Turn): void {
    this.#compared = undefined;
    choose(this.#conversation, turn);
    void this.#save(this.#conversation);
    this.#show();
  }

  regenerate(turn: AnswerTurn): void {
    void this.#answer(turn.parent!, 1);
  }

  compare(turn: AnswerTurn, other: AnswerTurn): void {
    this.#compared = pairOf(turn, other);
    this.#show();
  }

  async sendFeedback(turn: AnswerTurn, feedback: GivenFeedback, key: string): Promise<void> {
    const conversation = this.#conversation;
    await this.#judgement.rate(turn, feedback, key).finally(() => this.#show());
    announce('Your feedback was recorded.');
    void this.#save(conversation);
    this.#show();
  }

  async #decide(pair: Pair, verdict: Verdict, key: string): Promise<void> {
    const conversation = this.#conversation;
    const [first, second] = pair;
    if (this.takesFeedback !== false) {
      await this.#judgement.compare(pair, verdict, key).finally(() => this.#show());
      announce('Your choice was recorded.');
    }
    for (const turn of pair) turn.pair = undefined;
    this.#compared = undefined;
    choose(conversation, verdict.choice === 'second' ? second : first);
    void this.#save(conversation);
    this.#show();
  }

  #send(text: string, answers: number): void {
    const path = shownPath(this.#conversation);
    const last = path.at(-1);
    const turn: UserTurn = {
      ...{ kind: 'user', id: newId(), text, createdAt: Date.now() },
      // A message that got no answer is replaced, as by an edit.
      parent: last?.kind === 'user' ? last.parent : (last?.id ?? null),
    };
    addTurn(this.#conversation, turn);
    sessionStorage.setItem(OPEN, this.#conversation.id);
    this.#thread.toEnd();
    void this.#answer(turn.id, answers);
  }

  /** Asks for answers to a message, and writes them into the conversation while they come. */
  async #answer(parent: string, count: number): Promise<void> {
    const conversation = this.#conversation;
    if (this.#running.has(conversation.id)) return;
    const question = turnOf(conversation, parent)!;
    const messages = messagesOf(conversation.system, pathTo(conversation, question));
    const versions = childrenOf(conversation, parent).length;
    const generation = new Generation({ conversation, parent, count, model: this.#model });
    for (const turn of generation.turns) addTurn(conversation, turn);
    choose(conversation, generation.turns[0]!);
    this.#compared = undefined;
    this.#failures.delete(conversation.id);
    conversation.updatedAt = Date.now();
    this.#running.set(conversation.id, generation);
    // What was asked is kept whatever happens.
    void this.#save(conversation);
    announce(count > 1 ? 'The model writes two answers.' : 'The model is answering.');
    this.#show();
    const body = requestBody(this.settings, messages, { answers: count, versions });
    const failure = await generation.run(this.#api, body, () => this.#showSoon());
    // A conversation that was deleted meanwhile does not come back.
    if (this.#running.get(conversation.id) !== generation) return;
    this.#running.delete(conversation.id);
    await this.#finish(generation, failure);
  }

  async #finish({ conversation, turns }: Generation, failure: ApiFailure | undefined): Promise<void> {
    repair(conversation);
    if (failure) this.#failures.set(conversation.id, failure);
    else {
      this.#connection = undefined;
      if (conversation === this.#conversation) announceAnswers(turns);
      else announce(`The answer in “${conversation.title}” is complete.`);
    }
    this.#model = turns[0]!.model ?? this.#model;
    await this.#save(conversation);
    this.#show();
    if (!failure) await this.#learnOfFeedback();
  }

  /** Asks whether the server records feedback, once there is an answer to judge. */
  async #learnOfFeedback(): Promise<void> {
    const hasAnswer = this.#conversation.turns.some((turn) => turn.kind === 'answer' && isWhole(turn));
    if (this.takesFeedback !== undefined || this.#connection || !hasAnswer) return;
    await this.#judgement.learn();
    this.#show();
  }

  /** An answer is stored when it has ended. */
  async #save(conversation: Conversation): Promise<void> {
    const turns = conversation.turns.filter((turn) => turn.kind === 'user' || turn.finish !== undefined);
    try {
      await this.#store.save({ ...conversation, turns });
      await this.#list();
    } catch {
      byId('storage', HTMLElement).textContent = 'The browser could not store this conversation.';
    }
  }

  async #list(): Promise<void> {
    this.#sidebar.show(await this.#store.list(), this.#conversation.id);
  }

  #showSoon(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#thread.progress());
  }

  get #state(): ThreadState {
    const { isRunning, takesFeedback } = this;
    return { conversation: this.#conversation, isRunning, takesFeedback };
  }

  #show(): void {
    const { title, turns } = this.#conversation;
    this.#title.textContent = title || 'New conversation';
    document.title = title ? `${title} · Athanor` : 'Athanor';
    this.#modelName.textContent = this.#model ?? '';
    byId('more', HTMLElement).hidden = turns.length === 0;
    this.#composer.isRunning = this.isRunning;
    this.#thread.show(this.#entries(), this.#state);
  }

  #entries(): Entry[] {
    const path = shownPath(this.#conversation);
    const entries = path.map((turn) => this.#entryOf(turn));
    const failure = this.#failures.get(this.#conversation.id) ?? this.#connection;
    if (failure) entries.push(this.#failureEntry(failure, path.at(-1)));
    else if (path.length === 0) entries.push({ key: 'welcome', make: () => welcomeView() });
    else if (path.at(-1)!.kind === 'user') entries.push(this.#unansweredEntry(path.at(-1)!));
    return entries;
  }

  #entryOf(turn: Turn): Entry {
    if (turn.kind === 'user') return { key: turn.id, make: () => new UserView(turn, this) };
    const pair = this.#pairOf(turn);
    if (!pair) return { key: turn.id, make: () => new AnswerView(turn, this) };
    const [first, second] = pair;
    const decide = (verdict: Verdict, key: string) => this.#decide(pair, verdict, key);
    return { key: pairKey(first, second), make: () => new PairView(first, second, { decide }) };
  }

  #pairOf(turn: AnswerTurn): Pair | undefined {
    if (this.#compared?.includes(turn)) return this.#compared;
    const other = turn.pair === undefined ? undefined : turnOf(this.#conversation, turn.pair);
    return other?.kind === 'answer' ? pairOf(turn, other) : undefined;
  }

  #failureEntry(failure: ApiFailure, last: Turn | undefined): Entry {
    const question = last?.kind === 'answer' ? last.parent : last?.id;
    const isOwn = this.#failures.get(this.#conversation.id) === failure;
    // Each failure has a view of its own: the next one counts down anew.
    const key = `failure ${failure.id}`;
    const make = (): View => {
      const { element, dispose } = failureView({
        failure,
        hasKey: this.#api.key !== undefined,
        retry: () => (isOwn && question ? this.#answer(question, 1) : this.connect()),
        useKey: this.#useKey,
      });
      return { key, element, update: () => {}, dispose };
    };
    return { key, make };
  }

  #unansweredEntry(turn: Turn): Entry {
    const key = 'unanswered';
    const answer = () => void this.#answer(turn.id, 1);
    const make = (): View => ({
      key,
      element: el(
        'div',
        { class: 'row unanswered' },
        el('button', { type: 'button', class: 'quiet', click: answer }, 'Get an answer'),
      ),
      update: () => {},
    });
    return { key, make };
  }
}

function announceAnswers(turns: readonly AnswerTurn[]): void {
  const { text, finish } = turns[0]!;
  if (turns[0]!.pair !== undefined) announce('Two answers are complete. Choose one of them.');
  else if (finish === 'stopped') announce('The answer was stopped.');
  else if (text.length <= MAX_ANNOUNCED) announce(`The answer: ${text}`);
  else announce(`The answer begins: ${text.slice(0, MAX_ANNOUNCED)}…`);
}

function welcomeView(): View {
  return {
    key: 'welcome',
    element: el(
      'section',
      { class: 'welcome' },
      el('h2', {}, 'What would you like to ask?'),
      el('p', {}, 'Conversations are kept in this browser. The server may record what it is asked.'),
    ),
    update: () => {},
  };
}
